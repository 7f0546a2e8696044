package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestNoCoreIsWrittenOfTheProgram looks at the limits of a running process of the program, as the kernel has them.
func TestNoCoreIsWrittenOfTheProgram(t *testing.T) {
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "unsecret", "lab") // testscript put it on the path
	cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("the program is not on the path: %v", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the lab says nothing")
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("cores are not disabled:\n%s", limits)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(string(status), "CoreDumping:"); i < 0 || !strings.HasPrefix(string(status[i:]), "CoreDumping:\t0") {
		t.Errorf("core dumping: %s", status)
	}
}
