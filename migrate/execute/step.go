package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// effect is how one kind of step acts on the world.
type effect interface {
	// look reads whether the effect is there, and what the step's precondition speaks of.
	look(ctx context.Context) (sight, error)
	// do makes the change; it is called only where look did not see it. Requests run under ctx, which outlives an
	// interruption; waits end with stop.
	do(ctx, stop context.Context) (State, error)
}

// sight is what look saw.
type sight struct {
	present bool
	begun   bool  // a part of it is there
	state   State // of the object, for the journal
	facts   State // to be compared with the precondition
}

// manualError is a failure that a person can get around, with the instructions.
type manualError struct {
	err  error
	next []string
}

func (e *manualError) Error() string { return e.err.Error() }
func (e *manualError) Unwrap() error { return e.err }

// runStep brings one step to its end, or says why not. It may be called any number of times.
func (e *Executor) runStep(ctx context.Context, u plan.Unit, s plan.Step, dry bool) StepResult {
	r := StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title}
	progress := e.step(u.ID, s.ID)
	if progress.settled() {
		r.State = settledState(progress)
		return r
	}
	if err := ctx.Err(); err != nil {
		r.State, r.Reason = StepOpen, "interrupted before this step"
		return r
	}
	e.tell(u.ID, s, StepOpen, "")
	ef := e.effect(u, s, progress)
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	e.advance(hard, ctx, u, s, ef, progress, dry, &r)
	e.tell(u.ID, s, r.State, r.Reason)
	return r
}

// settle finds out what became of a step that an earlier plan announced, and the present one does not have. It is not done any more
// if it was not done then.
func (e *Executor) settle(ctx context.Context, u plan.Unit, s plan.Step, dry bool) StepResult {
	r := StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title, State: StepOpen, Reason: "an earlier plan announced it, and its outcome is not known yet"}
	progress := e.step(u.ID, s.ID)
	if ctx.Err() != nil {
		return r
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	ef := e.effect(u, s, progress)
	seen, err := ef.look(hard)
	if c, ok := ef.(*connectionEffect); ok && err == nil && !seen.present {
		found, readErr := c.read(hard)
		if readErr != nil || busy(found) {
			return r
		}
	}
	switch {
	case err != nil:
		e.fail(&r, u, s, err, dry)
	case seen.begun && !seen.present:
	case seen.present:
		r.Reason = ""
		e.notePresent(u, s, seen, progress, dry, &r)
	case !dry:
		r.State, r.Reason = StepUndone, ""
		if err := e.record(Record{Unit: u.ID, Step: s.ID, Phase: PhaseUndone, Note: "an earlier plan announced it, it was not done, and the present plan does not have it"}); err != nil {
			r.fail(u.ID, err, "")
		}
	}
	return r
}

func settledState(p stepProgress) StepState {
	if p.done != nil {
		return StepDone
	}
	return StepAlready
}

// advance looks, decides and acts.
func (e *Executor) advance(ctx, stop context.Context, u plan.Unit, s plan.Step, ef effect, progress stepProgress, dry bool, r *StepResult) {
	seen, err := ef.look(ctx)
	if err != nil {
		e.fail(r, u, s, err, dry)
		return
	}
	if seen.present {
		e.notePresent(u, s, seen, progress, dry, r)
		return
	}
	if r.Changes = drift(s, seen.facts, progress); len(r.Changes) > 0 {
		e.refuse(r, u, s, dry)
		return
	}
	if dry {
		r.State = StepWould
		return
	}
	if err := e.record(Record{Unit: u.ID, Step: s.ID, Phase: PhaseIntent, Before: seen.facts}); err != nil {
		r.fail(u.ID, err, "")
		return
	}
	after, err := ef.do(ctx, stop)
	if err != nil {
		e.settleError(ctx, stop, u, s, ef, err, r)
		return
	}
	e.finish(u, s, after, "", r)
}

// notePresent records an effect that is there without a record of its end: made by this program before it was
// interrupted, or by somebody else.
func (e *Executor) notePresent(u plan.Unit, s plan.Step, seen sight, progress stepProgress, dry bool, r *StepResult) {
	r.State = StepAlready
	if dry {
		return
	}
	if progress.intent != nil {
		e.finish(u, s, seen.state, "found done after an interruption", r)
		return
	}
	if err := e.record(Record{Unit: u.ID, Step: s.ID, Phase: PhaseObserved, After: seen.state, Note: "was so already"}); err != nil {
		r.fail(u.ID, err, "")
	}
}

func (e *Executor) finish(u plan.Unit, s plan.Step, after State, note string, r *StepResult) {
	r.State = StepDone
	if err := e.record(Record{Unit: u.ID, Step: s.ID, Phase: PhaseDone, After: after, Note: note}); err != nil {
		r.fail(u.ID, err, "")
	}
}

// settleError decides what a failed change means: where the answer was lost, the world is asked.
func (e *Executor) settleError(ctx, stop context.Context, u plan.Unit, s plan.Step, ef effect, err error, r *StepResult) {
	if stop.Err() != nil && errors.Is(err, stop.Err()) {
		r.State, r.Reason = StepOpen, "interrupted while waiting; run again to go on"
		return
	}
	if errors.Is(err, ErrUnknownOutcome) {
		seen, lookErr := ef.look(ctx)
		if lookErr == nil && seen.present {
			e.finish(u, s, seen.state, "the answer was lost; the change is there", r)
			return
		}
		r.State = StepFailed
		r.Reason = err.Error() + ": whether it took effect is not known yet"
		r.Next = nextAfterError(ErrUnknownOutcome, "")
		return
	}
	e.fail(r, u, s, err, false)
}

// fail records a failure, unless the journal says the same already.
func (e *Executor) fail(r *StepResult, u plan.Unit, s plan.Step, err error, dry bool) {
	r.fail(u.ID, err, needOf(s, err))
	e.noteFailure(u.ID, s.ID, r, dry)
}

func (e *Executor) noteFailure(unit, step string, r *StepResult, dry bool) {
	before := e.step(unit, step)
	if dry || before.failed != nil && before.failed.Note == r.Reason {
		return
	}
	if err := e.record(Record{Unit: unit, Step: step, Phase: PhaseFailed, After: keepNext(r.Next), Note: r.Reason}); err != nil {
		r.Reason = errors.Join(errors.New(r.Reason), err).Error()
	}
}

// refuse explains a drift.
func (e *Executor) refuse(r *StepResult, u plan.Unit, s plan.Step, dry bool) {
	r.State, r.Reason = StepRefused, driftText(r.Changes)
	r.Next = forUnit(u.ID, []string{"see whether the change is right; if it is, plan this unit again from what is there now, while the others stay as they are:", replan})
	e.noteFailure(u.ID, s.ID, r, dry)
}

func driftText(changes []Change) string {
	parts := make([]string, 0, len(changes))
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("%s moved from %s to %s", c.Field, show(c.From), show(c.To)))
	}
	return "it has changed since the scan: " + strings.Join(parts, "; ")
}

func show(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// drift compares a step's precondition with what is there now. What an earlier attempt of this program may have changed itself
// does not count.
func drift(s plan.Step, facts State, p stepProgress) []Change {
	own := ""
	switch {
	case p.intent == nil:
	case s.Kind == plan.StepConnection:
		own = "scheme"
	case s.Kind == plan.StepVariable && s.Variable.AsSecret:
		own = "value"
	}
	return slices.DeleteFunc(changes(s.Precondition, facts), func(c Change) bool { return c.Field == own })
}

// changes compares a precondition with what is there now.
func changes(precondition map[string]string, facts State) []Change {
	var out []Change
	for field, from := range precondition {
		if to := facts[field]; to != from {
			out = append(out, Change{Field: field, From: from, To: to})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Field, b.Field) })
	return out
}

// effect finds how a step acts.
func (e *Executor) effect(u plan.Unit, s plan.Step, p stepProgress) effect {
	switch s.Kind {
	case plan.StepFederatedCredential:
		return &trustEffect{e: e, unit: u, step: s}
	case plan.StepVariable:
		return &variableEffect{e: e, id: s.ID, step: s.Variable}
	case plan.StepReplacement:
		return &replacementEffect{e: e, unit: u.ID, step: s.Replacement, progress: p}
	case plan.StepAccess:
		return &accessEffect{e: e, unit: u.ID, step: s.Replacement}
	case plan.StepDisable:
		return &disableEffect{e: e, step: s.Replacement}
	case plan.StepConnection:
		return &connectionEffect{e: e, unit: u, step: s, progress: p}
	case plan.StepCredential:
		if s.Credential.IsCertificate() {
			return &certificateEffect{e: e, step: s.Credential, progress: p}
		}
		return &credentialEffect{e: e, step: s.Credential}
	case plan.StepTrustRemoval:
		return &trustRemovalEffect{e: e, step: s.Removal, progress: p}
	case plan.StepSecret:
		return &secretEffect{e: e, step: s.Secret}
	case plan.StepIdentity:
		return &identityEffect{e: e, step: s.Identity, announced: p.intent != nil}
	case plan.StepRole:
		return &roleEffect{e: e, step: s.Role}
	case plan.StepRoles:
		return &rolesEffect{e: e, step: s.Roles}
	case plan.StepPolicy:
		return &policyEffect{e: e, step: s.Policy}
	}
	return unknownEffect(s.Kind)
}

// unknownEffect refuses the steps of a plan that a newer program wrote.
type unknownEffect plan.StepKind

func (k unknownEffect) look(context.Context) (sight, error) {
	return sight{}, fmt.Errorf("this program does not know steps of kind %q: use the version that made the plan", string(k))
}

func (k unknownEffect) do(ctx, _ context.Context) (State, error) {
	_, err := k.look(ctx)
	return nil, err
}
