package main

import (
	"bufio"
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveBackStart gives back the pages of the program itself that only its start needed: most of what the SDKs set up is never
// used by a command that works on local files, and would be two thirds of its resident memory. What is needed again is
// mapped again from the file, with what lies around it, so that it is worth to do so again now and then. Only mappings of which
// no page was written to, so that it is no longer the file's, are given back.
func giveBackStart() {
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // as much memory stays as there is
	}
	defer maps.Close()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	var m mapping
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		m.read(lines.Bytes(), self)
	}
}

// mapping is the mapping that is read about.
type mapping struct {
	start, end uintptr
	own        bool // the program's, and not writable
}

// read reads a line of smaps (proc_pid_smaps(5)) and gives the mapping back at the line that says that it is unchanged.
func (m *mapping) read(line []byte, self string) {
	switch {
	case len(line) == 0:
	case line[0] < 'A' || line[0] > 'Z': // a mapping's own line; the names of its fields begin with a capital
		*m = mapping{}
		if name, ok := bytes.CutSuffix(line, []byte(self)); ok && bytes.HasSuffix(name, []byte(" ")) {
			m.head(line)
		}
	case m.own && bytes.HasPrefix(line, []byte("Anonymous:")):
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[1]) == "0" {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
		}
	}
}

// head reads the addresses and the mode of a mapping.
func (m *mapping) head(line []byte) {
	addresses, rest, _ := bytes.Cut(line, []byte(" "))
	mode, _, _ := bytes.Cut(rest, []byte(" "))
	from, to, _ := bytes.Cut(addresses, []byte("-"))
	start, err := strconv.ParseUint(string(from), 16, 64)
	if err != nil {
		return
	}
	end, err := strconv.ParseUint(string(to), 16, 64)
	if err != nil {
		return
	}
	m.start, m.end, m.own = uintptr(start), uintptr(end), string(mode) == "r-xp" || string(mode) == "r--p"
}
