// Package lazy puts off what takes time until it is needed: the program is started for one small thing far more often
// than for everything that it can do.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp gives a function that compiles a regular expression when it is first called. The function panics if the
// expression is not one, as regexp.MustCompile does, so it is for expressions that stand in the source.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
