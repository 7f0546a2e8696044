package main

import "golang.org/x/sys/unix"

// noCoreDumps keeps what the process has in memory, among it tokens and for a moment passwords, from being written to
// disk when it crashes. The limit alone does not hold where cores are piped to a program (core(5), "Piping core dumps to a
// program"), so the process is marked as one of which none is taken. Both can only fail where they are not needed.
func noCoreDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
