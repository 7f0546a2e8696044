package execute

import (
	"maps"
	"slices"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Plans are made again while units are under way: a new scan finds the connections converted and the logins rewritten, and the
// new plan has no steps for them, or not even the unit. What earlier plans did still counts. It is waited for, proved and taken
// back by the plan that did it, whose copy the state keeps. Only apply goes by the present plan alone.

// part is what one plan did, or does, with a unit.
type part struct {
	by   *Executor // carries that plan out
	unit plan.Unit
}

// top is the executor of the present plan, which has the journal's state.
func (e *Executor) top() *Executor {
	if e.root != nil {
		return e.root
	}
	return e
}

// by gives the executor of a plan that the state keeps, which shares everything else with this one; nil where it is not to be had.
func (e *Executor) by(hash string) *Executor {
	t := e.top()
	if hash == t.hash {
		return t
	}
	if t.plans == nil {
		return nil
	}
	p, err := t.plans(hash)
	if err != nil {
		return nil
	}
	return &Executor{Outside: t.Outside, Journal: t.Journal, Plan: p, Actor: t.Actor, Progress: t.Progress, Parallel: t.Parallel, Patience: t.Patience,
		Approvals: t.Approvals, Sleep: t.Sleep, root: t, hash: hash}
}

// own gives a unit as the present plan has it.
func (e *Executor) own(id string) (plan.Unit, bool) {
	i, ok := e.top().index[id]
	if !ok {
		return plan.Unit{}, false
	}
	return e.top().Plan.Units[i], true
}

// gone tells whether the present plan does not have a unit that an earlier one began with.
func (e *Executor) gone(id string) bool {
	_, ok := e.own(id)
	return !ok
}

// carried tells whether a step is one of an earlier plan, which the present one does not have.
func (e *Executor) carried(u plan.Unit, s plan.Step) bool {
	own, ok := e.own(u.ID)
	if !ok || own.Blocked() {
		return true
	}
	same, ok := own.Step(s.ID)
	return !ok || s.PullRequest != nil && same.PullRequest != s.PullRequest
}

// units are those of the present plan, each with what earlier plans did with it, and those that only earlier plans have.
func (e *Executor) units() []plan.Unit {
	t := e.top()
	others := look(t, func(f *fold) []string { return f.touchedByOthers(t.hash) })
	if len(others) == 0 {
		return t.Plan.Units
	}
	out := slices.Clone(t.Plan.Units)
	for _, id := range others {
		u, ok := t.unit(id)
		if i, own := t.index[id]; own && ok {
			out[i] = u
		} else if ok {
			out = append(out, u)
		}
	}
	return out
}

// unit gives a unit with what earlier plans did with it.
func (e *Executor) unit(id string) (plan.Unit, bool) {
	parts := e.parts(id)
	own, ok := e.own(id)
	if len(parts) == 0 {
		return own, ok
	}
	out := parts[0].unit
	if ok && own.Blocked() {
		out.Withheld = slices.Clone(out.Withheld)
		for _, b := range own.Blockers { // what both plans say is said once
			if !slices.ContainsFunc(out.Withheld, func(w plan.Reason) bool { return w.Code == b.Code && w.Object == b.Object }) {
				out.Withheld = append(out.Withheld, b)
			}
		}
	}
	for _, p := range parts[1:] {
		out = joined(out, p.unit)
	}
	if len(parts) > 1 {
		out.Steps = slices.Clone(out.Steps)
		for i, s := range out.Steps {
			out.Steps[i].DependsOn = slices.DeleteFunc(slices.Clone(s.DependsOn), func(id string) bool { _, ok := out.Step(id); return !ok })
		}
	}
	return out, true
}

// parts gives what each plan did with a unit since it was last rolled back, the present plan first, then the newest.
func (e *Executor) parts(id string) []part {
	t := e.top()
	var out []part
	if own, ok := t.own(id); ok && !own.Blocked() {
		out = append(out, part{t, own})
	}
	hashes := look(t, func(f *fold) []string {
		if f.closed[id] && len(out) > 0 {
			return nil
		}
		return slices.Clone(f.touched[id])
	})
	for _, hash := range slices.Backward(hashes) {
		by := t.by(hash)
		if hash == t.hash || by == nil {
			continue
		}
		u, ok := by.Plan.Unit(id)
		if !ok || u.Blocked() {
			continue
		}
		if len(out) > 0 {
			u = t.rest(u, out)
		}
		if len(u.Steps) > 0 {
			out = append(out, part{by, u})
		}
	}
	return out
}

// rest is what an earlier plan did with a unit and no newer one knows: the steps that it took, with what they are about.
func (e *Executor) rest(u plan.Unit, newer []part) plan.Unit {
	steps := u.Steps
	u.Steps = nil
	keptLogins, keptFiles, ownFiles := map[string]bool{}, map[string]bool{}, map[string]bool{}
	repos := map[inventory.RepositoryName]bool{}
	for _, s := range steps {
		if s.Kind != plan.StepPullRequest {
			continue
		}
		for _, f := range s.PullRequest.Files {
			ownFiles[string(s.PullRequest.Repository)+"/"+f.Path] = true
		}
		if pr := e.restOfRequest(u.ID, s, newer); pr != nil {
			s.PullRequest = pr
			u.Steps, repos[pr.Repository] = append(u.Steps, s), true
			for _, l := range pr.Logins {
				keptLogins[string(l.ID)] = true
				keptFiles[string(pr.Repository)+"/"+fileOf(l.ID, pr.Repository)] = true
			}
		}
	}
	for _, s := range steps {
		known := slices.ContainsFunc(newer, func(p part) bool { _, ok := p.unit.Step(s.ID); return ok })
		if s.Kind == plan.StepPullRequest || known {
			continue
		}
		p := e.step(u.ID, s.ID)
		// The secret of a repository whose logins that plan rewrote is its to delete as well.
		if p.settled() || p.intent != nil || s.Kind == plan.StepSecret && repos[s.Secret.Store.Repository] {
			u.Steps = append(u.Steps, s)
			if s.Kind == plan.StepConnection {
				keptLogins[string(s.Connection.ID)] = true
			}
			if s.Kind == plan.StepReplacement {
				keptLogins[string(s.Replacement.ID)] = true
			}
		}
	}
	if u.Kind == plan.KindIssuer { // its steps are about all of its connections
		for _, c := range u.Connections {
			keptLogins[string(c.ID)] = len(u.Steps) > 0 && !slices.ContainsFunc(newer, func(p part) bool {
				return slices.ContainsFunc(p.unit.Connections, func(x plan.ConnectionUse) bool { return x.ID == c.ID })
			})
		}
	}
	u.Connections = slices.DeleteFunc(slices.Clone(u.Connections), func(c plan.ConnectionUse) bool { return !keptLogins[string(c.ID)] })
	u.Logins = slices.DeleteFunc(slices.Clone(u.Logins), func(l plan.LoginUse) bool { return !keptLogins[string(l.ID)] })
	u.Coverage = slices.DeleteFunc(slices.Clone(u.Coverage), func(c plan.Coverage) bool {
		return !slices.ContainsFunc(c.For, func(id string) bool { return keptLogins[id] })
	})
	u.Workflows = slices.DeleteFunc(slices.Clone(u.Workflows), func(w plan.WorkflowRef) bool {
		file := string(w.Repository) + "/" + w.File
		return !repos[w.Repository] || ownFiles[file] && !keptFiles[file] // others call what was rewritten
	})
	return u
}

// restOfRequest is the part of a pull request's step whose logins a pull request carries, and no newer plan names; nil if there are none.
func (e *Executor) restOfRequest(unit string, s plan.Step, newer []part) *plan.PullRequestStep {
	pr := *s.PullRequest
	pr.Logins = slices.DeleteFunc(slices.Clone(pr.Logins), func(l plan.PlannedLogin) bool {
		if look(e, func(f *fold) bool { return e.carrying(f, s.PullRequest, l.ID) == nil }) {
			return true
		}
		return slices.ContainsFunc(newer, func(p part) bool {
			n, ok := p.unit.Step(s.ID)
			return ok && sameFile(n.PullRequest, &pr, fileOf(l.ID, pr.Repository)) &&
				slices.ContainsFunc(n.PullRequest.Logins, func(x plan.PlannedLogin) bool { return x.ID == l.ID })
		})
	})
	if len(pr.Logins) == 0 {
		return nil
	}
	kept := func(f inventory.File) bool {
		return slices.ContainsFunc(pr.Logins, func(l plan.PlannedLogin) bool { return fileOf(l.ID, pr.Repository) == f.Path })
	}
	files := pr.Files
	pr.Files, pr.Context = nil, slices.Clone(pr.Context)
	for _, f := range files {
		if kept(f) {
			pr.Files = append(pr.Files, f)
		} else {
			pr.Context = append(pr.Context, f)
		}
	}
	return &pr
}

// joined adds what an earlier plan did with a unit.
func joined(u, old plan.Unit) plan.Unit {
	u.Steps = slices.Concat(u.Steps, old.Steps)
	u.Connections = slices.DeleteFunc(slices.Clone(u.Connections), func(c plan.ConnectionUse) bool {
		return c.Already && slices.ContainsFunc(old.Connections, func(o plan.ConnectionUse) bool { return o.ID == c.ID })
	})
	u.Connections = slices.Concat(u.Connections, old.Connections)
	u.Logins, u.Coverage = slices.Concat(u.Logins, old.Logins), slices.Concat(u.Coverage, old.Coverage)
	u.Workflows = slices.Clone(u.Workflows)
	for _, w := range old.Workflows {
		if !slices.Contains(u.Workflows, w) {
			u.Workflows = append(u.Workflows, w)
		}
	}
	u.Named = slices.Clone(u.Named)
	for _, r := range old.Named {
		if !slices.ContainsFunc(u.Named, func(n plan.Reason) bool { return n.Code == r.Code }) {
			u.Named = append(u.Named, r)
		}
	}
	if u.NoRollback == nil {
		u.NoRollback = old.NoRollback
	}
	if old.Soak != nil && (u.Soak == nil || time.Duration(old.Soak.Time) > time.Duration(u.Soak.Time)) {
		u.Soak = old.Soak
	}
	return u
}

// sameFile tells whether two plans found the same text in a file, so that a login's id, which is its place, means the same in both.
func sameFile(a, b *plan.PullRequestStep, path string) bool {
	x, y := fileOID(a, path), fileOID(b, path)
	return x == "" || y == "" || x == y
}

func fileOID(s *plan.PullRequestStep, path string) string {
	for _, files := range [][]inventory.File{s.Files, s.Context} {
		for _, f := range files {
			if f.Path == path {
				return f.OID
			}
		}
	}
	return ""
}

// speaksOf tells whether a request means by a login's id the same login as a step does.
func (e *Executor) speaksOf(q *request, s *plan.PullRequestStep, path string) bool {
	t := e.top()
	if q.plan == "" || len(s.Files)+len(s.Context) == 0 {
		return true
	}
	oids := t.scanned(q.plan, q.repository)
	was, is := oids[path], fileOID(s, path)
	return was == "" || is == "" || was == is
}

// sameScan tells whether two requests mean by a login's id the same login.
func (e *Executor) sameScan(a, b *request, path string) bool {
	t := e.top()
	x, y := t.scanned(a.plan, a.repository)[path], t.scanned(b.plan, b.repository)[path]
	return x == "" || y == "" || x == y
}

// scanned are the versions of a repository's files that a plan was made from; nil where they are not known.
func (e *Executor) scanned(hash string, repo inventory.RepositoryName) map[string]string {
	key := hash + " " + string(repo)
	e.keeping.Lock()
	oids, ok := e.oids[key]
	e.keeping.Unlock()
	if ok {
		return oids
	}
	if by := e.by(hash); by != nil {
		oids = by.Plan.FilesOf(repo)
	}
	e.keeping.Lock()
	defer e.keeping.Unlock()
	if e.oids == nil {
		e.oids = map[string]map[string]string{}
	}
	e.oids[key] = oids
	return oids
}

// carrying gives the newest request that rewrites a login of a step and still counts.
func (e *Executor) carrying(f *fold, s *plan.PullRequestStep, login inventory.LoginID) *request {
	path := fileOf(login, s.Repository)
	for _, q := range slices.Backward(f.of(s.Repository)) {
		if !slices.Contains(q.logins, login) || q.state == requestUndone || !e.speaksOf(q, s, path) {
			continue
		}
		if q.revert {
			if q.state == requestMerged {
				return nil
			}
			continue
		}
		return q
	}
	return nil
}

// merged gives the logins of a repository, as a step names them, that are rewritten on its base branch.
func (e *Executor) merged(f *fold, s *plan.PullRequestStep) map[inventory.LoginID]bool {
	out := map[inventory.LoginID]bool{}
	for _, q := range f.of(s.Repository) {
		if q.state != requestMerged {
			continue
		}
		for _, l := range q.logins {
			if _, left := q.left[string(l)]; !left && e.speaksOf(q, s, fileOf(l, s.Repository)) {
				out[l] = !q.revert
			}
		}
	}
	maps.DeleteFunc(out, func(_ inventory.LoginID, in bool) bool { return !in })
	return out
}

// rebasedOn gives the versions of a repository's files that its rewrites start from, where they are not those of the plan.
func (e *Executor) rebasedOn(f *fold, s *plan.PullRequestStep) map[string]string {
	var out map[string]string
	for _, q := range f.of(s.Repository) {
		if q.state == requestUndone || q.state == requestClosed || len(q.sources) == 0 {
			continue
		}
		same := true
		for path := range q.sources {
			same = same && e.speaksOf(q, s, path)
		}
		if same {
			out = q.sources
		}
	}
	return out
}
