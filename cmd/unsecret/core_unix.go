//go:build !linux && !windows

package main

import "golang.org/x/sys/unix"

// noCoreDumps keeps what the process has in memory, among it tokens and for a moment passwords, from being written to
// disk when it crashes.
func noCoreDumps() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
