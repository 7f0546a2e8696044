// Package build knows which build of the program this is, and tells it before the rest of the program is set up.
//
// The program links the SDKs of three vendors. Setting up their packages takes longer than all that `unsecret version`
// has to do, and scripts, hooks and runners ask for the version far more often than for anything else. This package
// imports nothing but os, so it is among the first that are initialised (The Go Programming Language Specification,
// "Program initialization": in the order of their import paths, each as soon as what it imports is ready).
package build

import "os"

// Set by the release build, by -ldflags -X.
var (
	version = "dev"
	commit  = ""
	date    = ""
)

// Version gives the version, such as 1.2.3, or dev for a build that is no release.
func Version() string { return version }

// Commit gives the commit that was built, whole, or nothing if that is not known.
func Commit() string { return commit }

// Date gives the time of that commit, in the form of RFC 3339, or nothing if that is not known.
func Date() string { return date }

// Line is what `unsecret version` prints: the name, the version, and for a release what it was built from.
func Line() string {
	line := "unsecret " + version
	if commit != "" {
		line += " (" + commit[:min(len(commit), 12)] + ", " + date + ")"
	}
	return line
}

func init() {
	if len(os.Args) != 2 || os.Args[1] != "version" {
		return
	}
	if _, err := os.Stdout.WriteString(Line() + "\n"); err != nil {
		os.Stderr.WriteString("unsecret: write the output: " + err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}
