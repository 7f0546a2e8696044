package simulate

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// A script that prints a digest of a part of a variable is run line by line, as bash does it. The reader of other scripts looks
// for logins and knows neither patterns nor digests.

var digestShape = lazy.Regexp(`(?s)=~ .*\| sha256sum\b.*::notice `)

func isDigest(src string) bool { return digestShape().MatchString(src) }

// bash runs the few statements that such a script is made of.
type bash struct {
	a     *site
	vars  map[string]string
	match []string // BASH_REMATCH
	skip  int      // how deep in branches that do not run
	taken []bool   // for each open if: a branch of it has run
}

var (
	bashAssign = lazy.Regexp(`^(\w+)=(".*")$`)
	bashTest   = lazy.Regexp(`^(if|elif) \[\[ (.+) \]\]; then$`)
	bashMatch  = lazy.Regexp(`^("[^"]*") =~ (.+)$`)
	bashEmpty  = lazy.Regexp(`^-z ("[^"]*")$`)
	bashHash   = lazy.Regexp(`^"\$\(printf '%s:%s' ("[^"]*") ("[^"]*") \| sha256sum\)"$`)
	bashVar    = lazy.Regexp(`\$(?:\{(\w+)(?:\[(\d)\])?(,,|%% \*)?\}|(\w+))`)
)

func (a *site) digest(src string) error {
	b := &bash{a: a, vars: map[string]string{}}
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || line == "set -eu" {
			continue
		}
		if err := b.line(line); err != nil {
			return fmt.Errorf("the script's line %q: %w", line, err)
		}
	}
	return nil
}

func (b *bash) line(line string) error {
	if m := bashTest().FindStringSubmatch(line); m != nil {
		return b.branch(m[1] == "if", m[2])
	}
	n := len(b.taken)
	switch line {
	case "else":
		if n == 0 {
			return says("syntax error near unexpected token `else'")
		}
		b.enter(!b.taken[n-1])
		return nil
	case "fi":
		if n == 0 {
			return says("syntax error near unexpected token `fi'")
		}
		b.taken = b.taken[:n-1]
		b.skip = 0
		return nil
	}
	if b.skip > 0 {
		return nil
	}
	if words, ok := strings.CutPrefix(line, "echo "); ok {
		b.a.log(b.expand(words))
		return nil
	}
	m := bashAssign().FindStringSubmatch(line)
	if m == nil {
		return says("the lab does not know this command")
	}
	b.vars[m[1]] = b.value(m[2])
	return nil
}

// branch opens an if, or goes on with an elif. The shapes that are read have no if within another.
func (b *bash) branch(first bool, test string) error {
	if first {
		b.taken = append(b.taken, false)
	}
	if n := len(b.taken); n == 0 || n > 1 {
		return says("the lab reads one if at a time")
	}
	if b.taken[0] {
		b.skip = 1
		return nil
	}
	holds, err := b.test(test)
	b.enter(holds)
	return err
}

func (b *bash) enter(runs bool) {
	b.skip = 1
	if runs {
		b.skip = 0
		b.taken[len(b.taken)-1] = true
	}
}

func (b *bash) test(test string) (bool, error) {
	if m := bashEmpty().FindStringSubmatch(test); m != nil {
		return b.expand(m[1]) == "", nil
	}
	m := bashMatch().FindStringSubmatch(test)
	if m == nil {
		return false, says("the lab does not know this test")
	}
	pattern, err := regexp.CompilePOSIX(strings.ReplaceAll(m[2], `\"`, `"`))
	if err != nil {
		return false, err
	}
	b.match = pattern.FindStringSubmatch(b.expand(m[1]))
	return b.match != nil, nil
}

// value is what an assignment gives: a text, or the digest that sha256sum prints.
func (b *bash) value(quoted string) string {
	if m := bashHash().FindStringSubmatch(quoted); m != nil {
		return fmt.Sprintf("%x  -", sha256.Sum256([]byte(b.expand(m[1])+":"+b.expand(m[2]))))
	}
	return b.expand(quoted)
}

// expand gives a quoted text with its variables.
func (b *bash) expand(quoted string) string {
	text := strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	return bashVar().ReplaceAllStringFunc(text, func(ref string) string {
		m := bashVar().FindStringSubmatch(ref)
		v := b.lookup(m[1]+m[4], m[2])
		switch m[3] {
		case ",,":
			return strings.ToLower(v)
		case "%% *":
			v, _, _ = strings.Cut(v, " ")
		}
		return v
	})
}

func (b *bash) lookup(name, index string) string {
	if name == "BASH_REMATCH" {
		if i := int(index[0] - '0'); i < len(b.match) {
			return b.match[i]
		}
		return ""
	}
	if v, ok := b.vars[name]; ok {
		return v
	}
	return b.a.variable(name)
}
