package workflow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// loginUses is the value of uses for a step of azure/login that is written anew.
func (r *rewriter) loginUses() string {
	return r.uses("azure/login", r.options.LoginVersion)
}

// uses names an action at a version, by its commit where one is configured.
func (r *rewriter) uses(action, version string) string {
	if commit := r.options.Pins[action+"@"+version]; commit != "" {
		return action + "@" + commit + " # " + version
	}
	return action + "@" + version
}

// insertLogin puts a step of azure/login before a step, under the same condition.
func (r *rewriter) insertLogin(f *finding, inputs [][2]string, reason string) error {
	at, indent, err := f.file.beforeStep(f.step)
	if err != nil {
		return err
	}
	nl := f.file.newline(f.file.start(f.step.node))
	lines := []string{"- uses: " + r.loginUses()}
	for _, key := range []string{"if", "continue-on-error"} {
		e, ok := lookup(f.step.node, key)
		if !ok {
			continue
		}
		value := string(f.file.src[f.file.start(e.raw):f.file.end(e.raw)])
		if strings.ContainsAny(value, "\n\r") {
			return fmt.Errorf("the step's %s spans lines, so it cannot be repeated for the login", key)
		}
		lines = append(lines, "  "+key+": "+value)
	}
	lines = append(lines, "  with:")
	for _, in := range inputs {
		lines = append(lines, "    "+in[0]+": "+in[1])
	}
	text := strings.Join(lines, nl+indent) + nl + indent
	if f.file.blankBefore(at) {
		text = strings.TrimSuffix(text, indent) + nl + indent
	}
	r.edit(f.file, f.ID, at, at, text, reason)
	return nil
}

// beforeStep gives where a step can be put before another: at its dash, above the comments that belong to it.
func (d *document) beforeStep(s *step) (at int, indent string, err error) {
	if isFlow(s.list) {
		return 0, "", errors.New("the steps are in flow style")
	}
	i := d.start(s.node) - 1
	for i >= 0 && (isBlank(d.src[i]) || isBreak(d.src[i])) {
		i--
	}
	if i < 0 || d.src[i] != '-' {
		return 0, "", errors.New("the step has an anchor or a form that is not read")
	}
	indent, alone := d.indent(i)
	if !alone {
		return 0, "", errors.New("the step does not begin on a line of its own")
	}
	return d.aboveComments(i, d.start(s.list), indent), indent, nil
}

// aboveComments goes from an offset up over the comments that stand above it with the same indentation, but not over what is before first.
func (d *document) aboveComments(offset, first int, indent string) int {
	for {
		start := d.lineStart(offset)
		if start == 0 {
			return offset
		}
		above := d.lineStart(start - 1)
		if !strings.HasPrefix(string(d.src[above:d.lineEnd(above)]), indent+"#") || above < first {
			return offset
		}
		offset = above + len(indent)
	}
}

// blankBefore tells whether the line above an offset's line is blank.
func (d *document) blankBefore(offset int) bool {
	start := d.lineStart(offset)
	if start == 0 {
		return false
	}
	above := d.lineStart(start - 1)
	return strings.TrimSpace(string(d.src[above:d.lineEnd(above)])) == ""
}

var redirections = lazy.Regexp(`^[ \t]*;?[ \t]*((\d|&)?>>?[ \t]*(&\d|\S+)[ \t]*)*(\|[ \t]*(Out-Null|out-null)[ \t]*)?(#.*)?$`)

// commandLines gives the whole lines that a command of a block script stands on; ok is false where something else is on them.
func (f *finding) commandLines() (start, end int, ok bool) {
	d := f.file
	if !f.exact || f.script.entry.value.Style&yaml.LiteralStyle == 0 {
		return 0, 0, false
	}
	if _, alone := d.indent(f.start); !alone || !redirections().Match(d.src[f.end:d.lineEnd(f.end)]) {
		return 0, 0, false
	}
	return d.lineStart(f.start), d.nextLine(f.end), true
}
