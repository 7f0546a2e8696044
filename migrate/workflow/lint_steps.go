package workflow

import (
	"bytes"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// withoutSteps takes out of the text of one version of a file, whose jobs are kept or blanked out, the steps that nothing new
// can be found in: those that stand in the same job of the other version. What actionlint finds in a step depends, beside
// the step, on the ids of its job's steps, and on keys of the job that must be the same for this. A step with an id that
// something else names stays.
func withoutSteps(other, version *file, text []byte, kept []bool) []byte {
	lines := make(map[int]bool)
	for i, j := range version.jobs {
		if kept[i] && sameBesideSteps(other.jobs[i], j) {
			takeSteps(lines, other.jobs[i], j)
		}
	}
	return withoutLines(text, lines)
}

// besideSteps are the keys of a job that what is found in its steps does not depend on: variables have no types.
var besideSteps = map[string]bool{"steps": true, "permissions": true, "env": true}

// besideJobs are the keys of a workflow that what is found in its jobs does not depend on.
var besideJobs = map[string]bool{"jobs": true, "permissions": true, "env": true}

// sameBesideSteps tells whether two jobs have the same keys and values, but for their steps, permissions and variables.
func sameBesideSteps(was, now *job) bool {
	return slices.Equal(was.file.otherKeys(was.node, besideSteps), now.file.otherKeys(now.node, besideSteps))
}

// otherKeys lists the source of the keys and values of a mapping but for some.
func (d *document) otherKeys(n *yaml.Node, some map[string]bool) []string {
	var list []string
	for e := range each(n) {
		if !some[e.key.Value] {
			list = append(list, string(d.src[d.start(e.key):d.end(e.raw)]))
		}
	}
	return list
}

// takeSteps collects the lines of the steps that can be taken out of a job, which must keep one.
func takeSteps(lines map[int]bool, other, version *job) {
	there := make(map[string]bool, len(other.steps))
	for _, s := range other.steps {
		there[s.source()] = true
	}
	whole := version.file.src[version.file.start(version.key):version.file.end(version.node)]
	sameIDs := slices.Equal(stepIDs(other), stepIDs(version))
	var list []*step
	for _, s := range version.steps {
		source := s.source()
		named := s.id != "" && bytes.Count(whole, []byte(s.id)) > strings.Count(source, s.id)
		if there[source] && !named && (sameIDs || s.id == "" && !strings.Contains(source, "steps")) {
			list = append(list, s)
		}
	}
	if len(list) == len(version.steps) && len(list) > 0 {
		list = list[1:]
	}
	for _, s := range list {
		s.takeLines(lines)
	}
}

// stepIDs lists the ids of a job's steps.
func stepIDs(j *job) []string {
	var ids []string
	for _, s := range j.steps {
		if s.id != "" {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// takeLines collects the lines of a step that has them for itself.
func (s *step) takeLines(lines map[int]bool) {
	start, end := s.file.start(s.node), s.file.end(s.node)
	if before := s.file.src[s.file.lineStart(start):start]; string(bytes.TrimSpace(before)) != "-" {
		return
	}
	first, _ := s.file.place(start)
	last, _ := s.file.place(max(start, end-1))
	for line := first; line <= last; line++ {
		lines[line] = true
	}
}

// withoutLines blanks out lines, counted from 1.
func withoutLines(text []byte, lines map[int]bool) []byte {
	out := make([]byte, 0, len(text))
	number := 0
	for line := range bytes.Lines(text) {
		if number++; lines[number] {
			line = line[len(bytes.TrimRight(line, "\r\n")):]
		}
		out = append(out, line...)
	}
	return out
}
