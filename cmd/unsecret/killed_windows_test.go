package main

// killAtRecord does nothing: Windows has no SIGKILL.
func killAtRecord() {}
