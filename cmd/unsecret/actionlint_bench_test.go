//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkAgainstActionlint runs the program and actionlint (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12) by
// turns on the same folders: the corpus, where every file touches Azure; a usual organisation, loose and as checkouts, where
// one file in ten does; and the rewriting of the corpus, and of those of its files that are rewritten, against their scans. It
// reports files a second by the clock, how many times those of the other, the same by processor time, and the largest resident
// memory of both.
func BenchmarkAgainstActionlint(b *testing.B) {
	lint, program := unpacked(b, findActionlint(b)), unpacked(b, buildProgram(b))
	corpus := os.Getenv("UNSECRET_CORPUS")
	with, _ := filepath.Glob(filepath.Join(corpus, "workflows", "*.y*ml"))
	without, _ := filepath.Glob(filepath.Join(corpus, "workflows-without-azure", "*.y*ml"))
	if corpus == "" || len(with) == 0 || len(without) == 0 {
		b.Skip("the corpus of real files is not here (set UNSECRET_CORPUS)")
	}
	loose, checkouts := b.TempDir(), b.TempDir()
	for i := range 2600 {
		from := without[i%len(without)]
		if i%10 == 0 {
			from = with[i*7%len(with)]
		}
		copyTo(b, from, filepath.Join(loose, fmt.Sprintf("w%d.yml", i)))
		copyTo(b, from, filepath.Join(checkouts, fmt.Sprintf("r%d", i/6), ".github", "workflows", fmt.Sprintf("w%d.yml", i)))
	}
	for _, c := range []struct{ name, dir string }{{"corpus", filepath.Dir(with[0])}, {"organisation", loose}, {"checkouts", checkouts}} {
		b.Run(c.name, func(b *testing.B) {
			files := yamlBelow(b, c.dir)
			compare(b, len(files), append([]string{program, "scan", "--local"}, c.dir), append([]string{lint}, files...))
		})
	}
	dir, convertible := filepath.Dir(with[0]), b.TempDir()
	for _, name := range convertibleFiles(b, program, dir) {
		copyTo(b, filepath.Join(dir, name), filepath.Join(convertible, name))
	}
	for _, c := range []struct{ name, dir string }{{"rewrite", dir}, {"rewrite convertible", convertible}} {
		b.Run(c.name, func(b *testing.B) {
			files := yamlBelow(b, c.dir)
			compare(b, len(files), []string{program, "rewrite", "--level", "needs-review", c.dir}, []string{program, "scan", "--local", c.dir})
		})
	}
}

// convertibleFiles lists the files of a folder that are rewritten.
func convertibleFiles(b *testing.B, program, dir string) []string {
	var result rewriteResult
	out, _ := exec.CommandContext(b.Context(), program, "rewrite", "--level", "needs-review", "-o", "json", dir).Output() // files that cannot be read end it with a code
	if err := json.Unmarshal(out, &result); err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, f := range result.Files {
		if f.Refused == "" {
			names = append(names, f.File)
		}
	}
	return names
}

func findActionlint(b *testing.B) string {
	if name, err := exec.LookPath("actionlint"); err == nil {
		return name
	}
	home, _ := os.UserHomeDir()
	name := filepath.Join(home, "go", "bin", "actionlint")
	if _, err := os.Stat(name); err != nil {
		b.Skip("actionlint is not here (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)")
	}
	return name
}

// buildProgram builds the program as it is released.
func buildProgram(b *testing.B) string {
	name := filepath.Join(b.TempDir(), "unsecret")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return name
}

// unpacked copies a program in small writes, as what unpacks a release does. The kernel keeps a file in pieces as large as its
// writes were, and a fault can make a whole piece resident, so that as it comes from the linker a program can take megabytes more.
func unpacked(b *testing.B, program string) string {
	from, err := os.Open(program)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	name := filepath.Join(b.TempDir(), filepath.Base(program))
	to, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 32<<10))
	if err = errors.Join(err, to.Close()); err != nil {
		b.Fatal(err)
	}
	return name
}

func copyTo(b *testing.B, from, to string) {
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

func yamlBelow(b *testing.B, dir string) []string {
	var files []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(filepath.Ext(p), ".y") {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return files
}

// cost is what one run of a program takes.
type cost struct {
	wall, processor time.Duration
	memory          int64 // KiB
}

// compare runs two commands by turns.
func compare(b *testing.B, files int, own, other []string) {
	var a, o []cost
	for b.Loop() {
		a, o = append(a, runOnce(b, own)), append(o, runOnce(b, other))
	}
	wall := func(c cost) time.Duration { return c.wall }
	processor := func(c cost) time.Duration { return c.processor }
	b.ReportMetric(float64(files)/median(a, wall).Seconds(), "files/s")
	b.ReportMetric(median(o, wall).Seconds()/median(a, wall).Seconds(), "x-wall")
	b.ReportMetric(median(o, processor).Seconds()/median(a, processor).Seconds(), "x-cpu")
	b.ReportMetric(float64(median(a, func(c cost) int64 { return c.memory }))/1024, "MB")
	b.ReportMetric(float64(median(o, func(c cost) int64 { return c.memory }))/1024, "MB-other")
}

// runOnce runs a command. It may find something, so its exit code says nothing; what it prints is thrown away.
func runOnce(b *testing.B, argv []string) cost {
	// A child begins with the largest resident memory of its parent (getrusage(2)), so that of this process is made small and
	// its mark is reset (proc_pid_clear_refs(5)).
	giveBackStart()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Log("the memory of small programs is that of the benchmark:", err)
	}
	cmd := exec.CommandContext(b.Context(), argv[0], argv[1:]...)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil {
		b.Fatal(err)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss}
}

func median[T int64 | time.Duration](list []cost, of func(cost) T) T {
	values := make([]T, 0, len(list))
	for _, c := range list {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
