package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// raise plans the major version that a task needs, with the names that its connection inputs have there.
func (w *rewriter) raise(s *step) {
	if !s.isTask || !w.concerned(s) {
		return
	}
	for _, u := range s.connected {
		c, ok := s.task.compatibility(u.Kind)
		if !ok || c.Raise == "" || w.settled[s][c.Rule] {
			continue
		}
		switch why := w.editable(s.at); {
		case why != "":
			w.leave(s, c.Rule, c.Message+"; it is left, since "+why, c.Remedy)
		case w.options.Level < LevelNeedsReview:
			w.leave(s, c.Rule, c.Message+"; another major version needs review, so it is left at level safe", c.Remedy)
		default:
			if err := w.raiseTo(s, c); err != nil {
				w.leave(s, c.Rule, c.Message+"; "+err.Error(), c.Remedy)
			}
		}
		w.settle(s, c.Rule)
	}
}

func (w *rewriter) raiseTo(s *step, c Compatibility) error {
	parts, ok := s.at.doc.verbatim(s.at.n)
	written := s.at.n.Value
	if !ok || len(parts) != 1 || strings.Contains(written, "${{") {
		return fmt.Errorf("the task's name is computed")
	}
	target := parseTask(c.Raise)
	renames, err := w.renames(s, target)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(written, "@")
	if !inventory.IsGUID(strings.TrimSpace(name)) && !strings.EqualFold(s.task.name, target.name) {
		name = strings.TrimSuffix(name, s.task.name) + target.name
	}
	w.edit(s, s.at.doc, Edit{Start: parts[0].src, End: parts[0].src + parts[0].length, New: name + "@" + strconv.Itoa(target.major), Rule: c.Rule,
		Reason: fmt.Sprintf("%s: %s", s.task.label(), c.Message)})
	for _, e := range renames {
		w.edit(s, s.at.doc, e)
	}
	return nil
}

// renames gives new names to connection inputs that the other version does not know by their old ones.
func (w *rewriter) renames(s *step, target taskRef) ([]Edit, error) {
	var edits []Edit
	if !s.task.builtIn() {
		return nil, nil
	}
	for _, p := range s.inputs.pairs {
		if _, ok := s.task.connectionType(p.key); !ok {
			continue
		}
		if _, ok := target.connectionType(p.key); ok {
			continue
		}
		name := s.task.canonical(p.key)
		if _, ok := target.connectionType(name); !ok {
			return nil, fmt.Errorf("%s has no input %s", target.label(), p.key)
		}
		if why := w.editable(p.at); why != "" {
			return nil, fmt.Errorf("its input %s cannot be renamed: %s", p.key, why)
		}
		parts, ok := p.at.doc.verbatim(p.at.n)
		if !ok || len(parts) != 1 || p.at.doc != s.at.doc {
			return nil, fmt.Errorf("its input %s is computed", p.key)
		}
		edits = append(edits, Edit{Start: parts[0].src, End: parts[0].src + parts[0].length, New: name, Rule: RuleTaskNewerMajor, Reason: fmt.Sprintf("%s names this input %s", target.label(), name)})
	}
	return edits, nil
}

// canonical is the name of an input that is known by an alias, too.
func (t taskRef) canonical(input string) string {
	for _, in := range t.inputs() {
		for _, a := range append([]string{in.Name}, in.Aliases...) {
			if strings.EqualFold(a, input) {
				return in.Name
			}
		}
	}
	return input
}
