package execute

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// stepKey names a step of the journal.
type stepKey struct{ unit, step string }

// stepProgress is what the journal tells of one step.
type stepProgress struct {
	intent *Record // announced, and not known to be done: it may have taken effect, even where it failed afterwards
	done   *Record // done by this program
	seen   *Record // was so already, by somebody else
	failed *Record
	undone *Record
}

// settled tells that the step's effect is there.
func (p stepProgress) settled() bool { return p.done != nil || p.seen != nil }

// fold is the state that follows from the records.
type fold struct {
	steps    map[stepKey]*stepProgress
	order    []stepKey // in the order of their first record
	requests []*request
	records  int                 // that were folded in
	touched  map[string][]string // hashes of the plans that did something with a unit since it was last rolled back, in their order
	closed   map[string]bool     // units that were rolled back since
}

// request is one pull request of the program, with everything that the journal tells of it.
type request struct {
	repository inventory.RepositoryName
	plan       string // hash of the plan whose logins it names
	branch     string
	revert     bool
	units      []string
	logins     []inventory.LoginID
	files      map[string]string // path → blob id that it writes
	number     int
	url        string
	state      string // opening, open, merged, closed or undone
	mergedAt   time.Time
	left       map[string]string // logins that the rewrite left as they were, with the reason
	from       map[string]string // path → blob id that the base had
	sources    map[string]string // path → blob id that the rewrite began from, before any login was rewritten
	base       string
	baseHead   string // commit of the base that it was made on
	headOID    string // commit of the branch, as this program made it
	trouble    string // why it cannot be merged as it is, and in words
	detail     string
}

// The states of a request.
const (
	requestOpening = "opening"
	requestOpen    = "open"
	requestMerged  = "merged"
	requestClosed  = "closed"
	requestUndone  = "undone"
)

const (
	repositoryUnit = "repository:"
	verifyStep     = "verify"
	rolesStep      = "roles"
	rollbackStep   = "rollback"
	acceptStep     = "accept-no-sign-in-log"
	acceptUsesStep = "accept-uses"
	noRollbackStep = "accept-no-rollback"
	approveStep    = "approve"
	skipStep       = "skip-wave"
	restorePrefix  = "restore/"
	mintStep       = "restore/password"
)

func newFold(records []Record) *fold {
	f := &fold{steps: map[stepKey]*stepProgress{}, touched: map[string][]string{}, closed: map[string]bool{}}
	for i := range records {
		f.add(&records[i])
	}
	return f
}

// extend folds those of a journal's records in that it does not have yet. They are copied, so that what is kept of one does not keep
// all of them.
func (f *fold) extend(records []Record) {
	for _, r := range records[f.records:] {
		f.add(&r)
	}
}

func (f *fold) add(r *Record) {
	f.records++
	if repo, ok := strings.CutPrefix(r.Unit, repositoryUnit); ok {
		f.addRequest(inventory.RepositoryName(repo), r)
		return
	}
	if r.Phase != PhaseFailed && r.Phase != PhaseUndone && !isNote(r.Step) {
		f.touch(r.Unit, r.Plan)
	}
	if r.Step == rollbackStep && r.Phase == PhaseDone {
		f.closed[r.Unit] = true
		f.forget(r.Unit)
	}
	k := stepKey{r.Unit, r.Step}
	p := f.steps[k]
	if p == nil {
		p = &stepProgress{}
		f.steps[k] = p
		f.order = append(f.order, k)
	}
	switch r.Phase {
	case PhaseIntent:
		p.intent, p.failed = r, nil
	case PhaseDone:
		p.done, p.intent, p.failed, p.undone = r, nil, nil, nil
	case PhaseObserved:
		p.seen, p.intent, p.failed, p.undone = r, nil, nil, nil
	case PhaseFailed:
		p.failed = r
	case PhaseUndone:
		*p = stepProgress{undone: r}
	}
}

// forget lets go of what a unit that was rolled back found done by somebody else: it is not the unit's to undo, and who it belongs to may have taken it away when the unit is
// applied again. Decisions and proofs have an end of their own.
func (f *fold) forget(unit string) {
	for _, k := range f.order {
		if p := f.steps[k]; k.unit == unit && p.seen != nil && p.done == nil && p.intent == nil && !isNote(k.step) {
			*p = stepProgress{}
		}
	}
}

// touch notes that a plan does something with a unit.
func (f *fold) touch(unit, plan string) {
	if f.closed[unit] {
		delete(f.touched, unit)
		delete(f.closed, unit)
	}
	if unit != "" && plan != "" && !slices.Contains(f.touched[unit], plan) {
		f.touched[unit] = append(f.touched[unit], plan)
	}
}

// touchedByOthers gives the units with which another plan did something, sorted.
func (f *fold) touchedByOthers(hash string) []string {
	var out []string
	for id, hashes := range f.touched {
		if slices.ContainsFunc(hashes, func(h string) bool { return h != hash }) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (f *fold) addRequest(repo inventory.RepositoryName, r *Record) {
	q := f.request(repo, r.Step)
	switch r.Phase {
	case PhaseIntent:
		if r.Before["rebuild"] != "" {
			return // it stays open while its branch is replaced
		}
		if q == nil {
			q = &request{repository: repo, branch: branchOf(r.Step), revert: strings.HasPrefix(r.Step, revertPrefix)}
			f.requests = append(f.requests, q)
		}
		q.state = requestOpening
		q.units, q.logins = readList[string](r.Before["units"]), readList[inventory.LoginID](r.Before["logins"])
		q.plan = r.Plan
		q.content(r.Before)
		for _, u := range q.units {
			f.touch(u, r.Plan)
		}
	case PhaseDone:
		if q != nil {
			q.state, q.url = requestOpen, r.After["url"]
			q.number, q.headOID = number(r.After["number"]), r.After["headOid"]
		}
	case PhaseObserved:
		if q != nil {
			q.state = r.After["state"]
			q.mergedAt, _ = time.Parse(time.RFC3339Nano, r.After["mergedAt"])
			q.trouble, q.detail = r.After["trouble"], r.After["detail"]
			if r.After["rebuilt"] != "" {
				q.content(r.After)
				q.headOID = r.After["headOid"]
			}
		}
	case PhaseUndone:
		if q != nil {
			q.state = requestUndone
		}
	}
}

// content takes what a request writes, and on what, from its record.
func (q *request) content(s State) {
	q.files, q.left = readMap(s["files"]), readMap(s["left"])
	q.from, q.sources = readMap(s["from"]), readMap(s["sources"])
	q.base, q.baseHead = s["base"], s["head"]
}

func (f *fold) request(repo inventory.RepositoryName, step string) *request {
	for _, q := range f.requests {
		if q.repository == repo && q.step() == step {
			return q
		}
	}
	return nil
}

const (
	requestPrefix = "pull-request/"
	revertPrefix  = "revert/"
)

func branchOf(step string) string {
	_, branch, _ := strings.Cut(step, "/")
	return branch
}

// step is the request's name in the journal.
func (q *request) step() string {
	if q.revert {
		return revertPrefix + q.branch
	}
	return requestPrefix + q.branch
}

// of gives the requests of a repository.
func (f *fold) of(repo inventory.RepositoryName) []*request {
	var out []*request
	for _, q := range f.requests {
		if q.repository == repo {
			out = append(out, q)
		}
	}
	return out
}

// pending gives the request of a repository that is open, or about to be.
func (f *fold) pending(repo inventory.RepositoryName) *request {
	for _, q := range f.of(repo) {
		if q.state == requestOpen || q.state == requestOpening {
			return q
		}
	}
	return nil
}

// step gives what is known of a step; never nil.
func (f *fold) step(unit, step string) *stepProgress {
	if p := f.steps[stepKey{unit, step}]; p != nil {
		return p
	}
	return &stepProgress{}
}

func writeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func readList[T any](s string) []T {
	var out []T
	if s != "" && json.Unmarshal([]byte(s), &out) != nil {
		return nil
	}
	return out
}

func readMap(s string) map[string]string {
	out := map[string]string{}
	if s != "" && json.Unmarshal([]byte(s), &out) != nil {
		return map[string]string{}
	}
	return out
}

func number(s string) int {
	var n int
	if s != "" && json.Unmarshal([]byte(s), &n) != nil {
		return 0
	}
	return n
}
