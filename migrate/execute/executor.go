package execute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/internal/wait"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Executor carries a plan out. It can be stopped at any time and started again: what is done follows from the journal
// and from the world, never from memory. Outside, Journal and Plan must be set.
type Executor struct {
	Outside  Outside
	Journal  *Journal
	Plan     *plan.Plan
	Actor    string      // who is signed in, for the journal
	Progress func(Event) // called concurrently; may be nil
	Parallel int         // units at once; default 32: the budget of each host bounds what is asked of it
	Patience Patience
	// Approvals are those that a file gives, beside those in the journal.
	Approvals []Approval
	// Snapshot is the inventory that the plan was made from, for the comparison of Azure roles; nil: none is made.
	Snapshot *inventory.Inventory
	// Sleep waits between two looks at the world; default a timer. Tests move a clock instead.
	Sleep func(ctx context.Context, d time.Duration) error

	mu    sync.Mutex
	fold  *fold
	hash  string
	wave  *openWave
	past  []string       // units that later waves do not wait for, by this run
	index map[string]int // of the plan's units, by id

	root    *Executor // of the present plan, where this is of an earlier one: it has the fold
	plans   Plans
	keeping sync.Mutex
	kept    bool                         // the plan, in the state
	oids    map[string]map[string]string // of the files that plans were made from, by plan and repository
}

// Patience bounds how long a step waits for the outside world.
type Patience struct {
	// Propagation is how long a new federated credential may take to be honoured; default 3 minutes. Microsoft
	// Learn speaks of "several minutes" (considerations for federated identity credentials) and advises to retry.
	Propagation time.Duration
	// Conversion is how long Azure DevOps may take to convert a connection; default 10 minutes ("might take a few
	// minutes", Microsoft Learn: "Connect to Azure with an ARM service connection").
	Conversion time.Duration
	// FirstDelay is the wait after the first look; it grows by half each time, up to 20 seconds. Default 2 seconds.
	FirstDelay time.Duration
}

// stepTimeout bounds one step, so that a hanging server cannot keep the program from ending after an interruption.
const stepTimeout = 20 * time.Minute

// start reads the journal, for what acts on the outside world.
func (e *Executor) start() error {
	if err := e.open(); err != nil {
		return err
	}
	return e.connected()
}

// open reads the journal, once.
func (e *Executor) open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Plan == nil || e.Journal == nil {
		return errors.New("execute: the executor needs a plan and a journal")
	}
	if e.fold == nil {
		e.adopt(e.Journal.Records(), KeptPlans(context.Background(), e.Journal.store))
	}
	return nil
}

// adopt takes the records as what was done.
func (e *Executor) adopt(records []Record, plans Plans) {
	e.fold, e.hash, e.plans, e.index = newFold(records), e.Plan.Hash(), plans, map[string]int{}
	for i, u := range e.Plan.Units {
		e.index[u.ID] = i
	}
}

// connected checks that every system is connected that a step of the plan acts on.
func (e *Executor) connected() error { return e.unconnected(e.Plan.Units) }

func (e *Executor) unconnected(units []plan.Unit) error {
	for _, u := range units {
		for _, s := range u.Steps {
			missing := ""
			switch {
			case e.Outside.Directory == nil:
				missing = "Microsoft Entra"
			case e.Outside.Identities == nil && u.Target != nil:
				missing = "Azure"
			case e.Outside.Connections == nil && (s.Kind == plan.StepConnection || s.Replacement != nil):
				missing = "Azure DevOps"
			case e.Outside.Connections == nil && u.Kind == plan.KindIssuer && len(u.Connections) > 0:
				missing = "Azure DevOps"
			case s.Kind == plan.StepPullRequest && isAzureRepos(s.PullRequest.Repository):
				if e.Outside.AzureRepos == nil {
					missing = "Azure Repos"
				}
			case e.Outside.Repositories == nil && (s.Kind == plan.StepPullRequest || s.Kind == plan.StepVariable || s.Kind == plan.StepSecret):
				missing = "GitHub"
			}
			if missing != "" {
				return fmt.Errorf("the plan changes things in %s, which is not connected: configure it as it was for the scan", missing)
			}
		}
	}
	return nil
}

// host is where a repository lives.
func (e *Executor) host(repo inventory.RepositoryName) CodeHost {
	if isAzureRepos(repo) {
		return e.Outside.AzureRepos
	}
	return e.Outside.Repositories
}

func isAzureRepos(repo inventory.RepositoryName) bool {
	_, _, _, ok := repo.AzureRepos()
	return ok
}

func (e *Executor) now() time.Time {
	if e.Outside.Now == nil {
		return time.Now().UTC()
	}
	return e.Outside.Now().UTC()
}

// record writes a record and folds it in. It is written outside of the lock, so that the records of units that run side by
// side share a sync; then all that the journal has by now are folded in its order, whoever wrote them.
func (e *Executor) record(r Record) error {
	if err := e.keep(); err != nil {
		return err
	}
	r.Time, r.Plan, r.Actor = e.now(), e.planOf(r.Unit), e.Actor
	if _, err := e.Journal.Append(r); err != nil {
		return unwritten(err)
	}
	t := e.top()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fold.extend(e.Journal.Records())
	return nil
}

// planOf gives the hash of the plan that a unit is carried out by: that of an earlier one only where the present one does not have it.
func (e *Executor) planOf(unit string) string {
	if e.root == nil && e.gone(unit) && !strings.HasPrefix(unit, repositoryUnit) {
		if parts := e.parts(unit); len(parts) > 0 {
			return parts[0].by.hash
		}
	}
	return e.hash
}

// look gives a part of the folded state under the lock.
func look[T any](e *Executor, read func(*fold) T) T {
	t := e.top()
	t.mu.Lock()
	defer t.mu.Unlock()
	return read(t.fold)
}

// step gives a copy of what the journal knows of a step.
func (e *Executor) step(unit, step string) stepProgress {
	return look(e, func(f *fold) stepProgress { return *f.step(unit, step) })
}

func (e *Executor) tell(unit string, s plan.Step, state StepState, message string) {
	if e.Progress != nil {
		e.Progress(Event{Unit: unit, Step: s.ID, Title: s.Title, State: state, Message: message})
	}
}

func (e *Executor) parallel() int { return cmp.Or(e.Parallel, 32) }

func (e *Executor) sleep(ctx context.Context, d time.Duration) error {
	if e.Sleep != nil {
		return e.Sleep(ctx, d)
	}
	return wait.For(ctx, d)
}

// errPatience is returned by poll where the bound is reached.
var errPatience = errors.New("waited in vain")

// maxDelay is the longest wait between two looks.
const maxDelay = 20 * time.Second

// maxErrors is how many failed looks in a row are borne: one lost answer must not end a wait of minutes.
const maxErrors = 5

// poll looks until done, with growing waits, for at most the given time by the clock of the outside world or by its own
// waits, whichever is longer: a clock that stands still must not keep it for ever.
func (e *Executor) poll(ctx context.Context, bound time.Duration, done func() (bool, error)) error {
	start, slept, delay := e.now(), time.Duration(0), cmp.Or(e.Patience.FirstDelay, 2*time.Second)
	failed := 0
	for {
		ok, err := done()
		if ok {
			return err
		}
		if err == nil {
			failed = 0
		} else if failed++; failed >= maxErrors || !transient(err) {
			return err
		}
		if max(e.now().Sub(start), slept) >= bound {
			return cmp.Or(err, errPatience)
		}
		if err := e.sleep(ctx, delay); err != nil {
			return err
		}
		slept += delay
		delay = min(delay*3/2, maxDelay)
	}
}

// transient tells whether looking again may help: everything but an answer that says what is wrong.
func transient(err error) bool {
	for _, known := range []error{ErrNotFound, ErrForbidden, ErrConflict, ErrLimit, ErrPolicy, ErrRefused, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}

func (e *Executor) propagation() time.Duration {
	return cmp.Or(e.Patience.Propagation, 3*time.Minute)
}

func (e *Executor) conversion() time.Duration {
	return cmp.Or(e.Patience.Conversion, 10*time.Minute)
}

// selectUnits gives the units that a command is asked for, those of earlier plans included. Naming one that no plan has is an error.
func (e *Executor) selectUnits(only []string, wave int) ([]plan.Unit, error) {
	all := e.units()
	for _, id := range only {
		if !slices.ContainsFunc(all, func(u plan.Unit) bool { return u.ID == id }) {
			return nil, fmt.Errorf("the plan has no unit %q: see unsecret status for the units", id)
		}
	}
	var out []plan.Unit
	for _, u := range all {
		if (len(only) == 0 || slices.Contains(only, u.ID)) && (wave == 0 || u.Wave == wave) {
			out = append(out, u)
		}
	}
	return out, nil
}

func (e *Executor) result(command string, units []UnitResult) Result {
	return Result{Command: command, Plan: e.hash, Time: e.now(), Units: units}
}

func unitResult(u plan.Unit, state UnitState) UnitResult {
	return UnitResult{Unit: u.ID, Title: u.Title, AppID: u.AppID, Wave: u.Wave, State: state, Steps: []StepResult{}}
}

func blockedResult(u plan.Unit) UnitResult {
	r := unitResult(u, UnitBlocked)
	r.Reason, r.Next = u.Blockers[0].Text(), u.Blockers[0].Next
	return r
}

// rolledBack tells whether the last thing that happened to a unit as a whole is a rollback.
func (e *Executor) rolledBack(unit string) bool {
	p := e.step(unit, rollbackStep)
	return p.done != nil
}
