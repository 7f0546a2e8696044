// Package lazy puts off what takes time until it is needed: the lab is part of the program, which must start fast.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp gives a function that compiles a regular expression when it is first called.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
