package execute

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// withSteps rewrites the pipelines that hold some of the steps. Each file is rewritten from its own text alone, as the scan has proved that it can be.
func (s *sources) withSteps(out *contents, logins map[inventory.LoginID]bool) {
	byFile := map[string]map[pipeline.StepID]inventory.LoginID{}
	for l := range logins {
		if !s.steps[l] {
			continue
		}
		now := s.current(l)
		path := fileOf(now, s.step.Repository)
		if byFile[path] == nil {
			byFile[path] = map[pipeline.StepID]inventory.LoginID{}
		}
		byFile[path][stepIDOf(now)] = l
	}
	for _, path := range slices.Sorted(maps.Keys(byFile)) {
		s.rewritePipeline(out, path, byFile[path])
	}
}

func (s *sources) rewritePipeline(out *contents, path string, chosen map[pipeline.StepID]inventory.LoginID) {
	level := pipeline.LevelNeedsReview
	if s.cfg.Level == plan.LevelSafe {
		level = pipeline.LevelSafe
	}
	names := map[pipeline.StepID]pipeline.Rename{}
	for id, l := range chosen {
		if r, ok := s.renames[l]; ok {
			names[id] = r
		}
	}
	only := func(id pipeline.StepID) bool { _, ok := chosen[id]; return ok }
	f, left := pipeline.RewriteFile(pipeline.File{Path: path, Content: s.files[path]}, only, level, names)
	done := map[inventory.LoginID]bool{}
	var edits []workflow.Edit
	for _, e := range f.Edits {
		done[chosen[e.Step]] = true
		edits = append(edits, workflow.Edit{Start: e.Start, End: e.End, New: e.New, Line: e.Line, Login: chosen[e.Step], Reason: e.Reason})
	}
	for id, l := range chosen {
		switch why := leftText(left, id); {
		case f.Refused != "":
			out.left[l] = leftLogin{reason: path + " could not be rewritten: " + f.Refused}
		case why != nil:
			out.left[l] = *why
		case !done[l]:
			out.left[l] = leftLogin{reason: "the step is not as it was at the scan, or needs no change any more"}
		}
	}
	if f.Refused == "" && len(edits) > 0 {
		out.files[path], out.edits[path] = f.After, edits
	}
}

func leftText(left []pipeline.Left, id pipeline.StepID) *leftLogin {
	for _, l := range left {
		if l.Line == id.Line && l.Column == id.Column {
			return &leftLogin{reason: l.Reason, manual: []string{l.Manual}}
		}
	}
	return nil
}

// stepIDOf reads the place out of a login's id.
func stepIDOf(id inventory.LoginID) pipeline.StepID {
	parts := strings.Split(string(id), ":")
	if len(parts) < 3 {
		return pipeline.StepID{}
	}
	line, err := strconv.Atoi(parts[len(parts)-2])
	column, err2 := strconv.Atoi(parts[len(parts)-1])
	if err != nil || err2 != nil {
		return pipeline.StepID{}
	}
	return pipeline.StepID{Line: line, Column: column}
}

// stepTexts gives the steps of the repository's pipelines by what does not depend on their place.
func (s *sources) stepTexts() map[string][]pipeline.StepText {
	out := map[string][]pipeline.StepText{}
	names := make([]string, 0, len(s.renames))
	for _, r := range s.renames {
		names = append(names, r.From)
	}
	for path := range s.pipelines {
		f := pipeline.File{Path: path, Content: s.files[path]}
		out[path] = append(pipeline.StepTexts(f), pipeline.NameTexts(f, names)...)
	}
	return out
}

// followSteps finds the plan's steps in changed files again. They must be the same in all but their place.
func (s *sources) followSteps(was, is map[string][]pipeline.StepText, alias map[inventory.LoginID]inventory.LoginID) error {
	for _, planned := range slices.Sorted(maps.Keys(s.steps)) {
		now := s.current(planned)
		path := fileOf(now, s.step.Repository)
		place, ok := followStep(was[path], is[path], stepIDOf(now))
		if !ok {
			return &movedError{fmt.Sprintf("step %s is not as it was at the scan", planned)}
		}
		if id := inventory.NewLoginID(s.step.Repository, path, place.Line, place.Column); id != planned {
			alias[planned] = id
		}
	}
	return nil
}

// followStep gives the place of a step in a new version: that of the same among equals.
func followStep(was, is []pipeline.StepText, id pipeline.StepID) (pipeline.StepID, bool) {
	i := slices.IndexFunc(was, func(t pipeline.StepText) bool { return t.Step == id })
	if i < 0 {
		return id, false
	}
	same := func(t pipeline.StepText) bool { return t.Text == was[i].Text }
	nth := len(filter(was[:i], same))
	if found := filter(is, same); nth < len(found) && len(found) == len(filter(was, same)) {
		return found[nth].Step, true
	}
	return id, false
}

func filter[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !keep(x) })
}
