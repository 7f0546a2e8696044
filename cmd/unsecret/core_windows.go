package main

// noCoreDumps does nothing: Go's runtime turns Windows Error Reporting off for the process unless GOTRACEBACK=wer asks for it.
func noCoreDumps() {}
