package simulate

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// action is a composite action's file. One of another kind is opaque and is not kept.
type action struct {
	path    string
	inputs  []pair
	outputs []pair
	steps   []*step
	broken  error
}

func isActionPath(p string) bool {
	base := path.Base(p)
	return base == "action.yml" || base == "action.yaml"
}

// action finds the composite action that a step uses: below ./ in the repository of the run, or in another
// repository of the lab. It gives nil for every other action.
func (r *run) action(uses string) *action {
	if strings.HasPrefix(uses, "./") || strings.HasPrefix(uses, "../") {
		return r.s.actionAt(r.p.full, r.files, path.Clean(uses))
	}
	name, ref, ok := strings.Cut(uses, "@")
	parts := strings.SplitN(name, "/", 3)
	if !ok || len(parts) < 2 {
		return nil
	}
	p, err := r.s.find(parts[0] + "/" + parts[1])
	if err != nil {
		return nil
	}
	dir := "."
	if len(parts) == 3 {
		dir = path.Clean(parts[2])
	}
	for _, full := range []string{"refs/tags/" + ref, "refs/heads/" + ref} {
		if oid, ok := p.refs[full]; ok {
			return r.s.actionAt(p.full, r.s.files(p.full, oid), dir)
		}
	}
	return r.s.actionAt(p.full, r.s.files(p.full, ref), dir)
}

func (s *Simulator) actionAt(full string, files map[string]string, dir string) *action {
	for _, base := range []string{"action.yml", "action.yaml"} {
		file := path.Join(dir, base)
		oid, ok := files[file]
		if !ok {
			continue
		}
		if act, ok := s.acts.Load(oid + file); ok {
			return act.(*action)
		}
		act, _ := s.acts.LoadOrStore(oid+file, readAction(file, s.blob(full, oid)))
		return act.(*action)
	}
	return nil
}

// readAction reads an action's file; nil (as *action) means that it is not a composite action.
func readAction(file string, data []byte) *action {
	root, err := readYAML(data)
	if err != nil {
		return &action{path: file, broken: fmt.Errorf("loading %s: %w", file, err)}
	}
	runs := root.get("runs")
	if !strings.EqualFold(runs.get("using").str(), "composite") {
		return nil
	}
	act := &action{path: file}
	if in := root.get("inputs"); in != nil {
		act.inputs = in.pairs
	}
	if out := root.get("outputs"); out != nil {
		act.outputs = out.pairs
	}
	if steps := runs.get("steps"); steps != nil {
		for _, n := range steps.items {
			act.steps = append(act.steps, readStep(n))
		}
	}
	return act
}

var versionTag = lazy.Regexp(`^v?(\d+)(?:\.(\d+))?(?:\.\d+)?$`)

// versionBelow reports a version tag below major.minor. A bare major stands for its newest version; a branch or a
// commit is taken as new.
func versionBelow(ref string, major, minor int) bool {
	m := versionTag().FindStringSubmatch(ref)
	if m == nil {
		return false
	}
	x, err := strconv.Atoi(m[1])
	if err != nil || x != major {
		return err == nil && x < major
	}
	if m[2] == "" {
		return false
	}
	y, err := strconv.Atoi(m[2])
	return err == nil && y < minor
}
