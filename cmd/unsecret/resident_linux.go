package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBackStart gives back the pages of the program itself that only its start needed: most of what the SDKs set up is never
// used by a command that works on local files, and would be two thirds of its resident memory. What is needed again is
// mapped again from the file. Only mappings of which no page was written to, so that it is no longer the file's, are given back.
func giveBackStart() {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return // as much memory stays as there is
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	var m mapping
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		m.read(lines.Text(), self)
	}
}

// mapping is the mapping that is read about.
type mapping struct {
	start, end uintptr
	own        bool // the program's, and not writable
}

// read reads a line of smaps (proc_pid_smaps(5)) and gives the mapping back at the line that says that it is unchanged.
func (m *mapping) read(line, self string) {
	switch {
	case line == "":
	case line[0] < 'A' || line[0] > 'Z': // a mapping's own line; the names of its fields begin with a capital
		*m = mapping{}
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &m.start, &m.end, &mode); n == 3 && strings.HasSuffix(line, " "+self) {
			m.own = mode == "r-xp" || mode == "r--p"
		}
	case m.own && strings.HasPrefix(line, "Anonymous:"):
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "0" {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
		}
	}
}
