package execute

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// RevokeOptions bound what Revoke does.
type RevokeOptions struct {
	Only []string // only these units
	// AcceptNoSignInLog is the operator's decision to revoke although nobody can tell whether the old credential is
	// still used, because the sign-in log cannot be had. It is journaled.
	AcceptNoSignInLog bool
	// AcceptUsesUntil is the operator's decision that uses of the old credential up to this time are explained: what
	// signed in then has moved since. The soak time then begins again with the last of them. It is journaled.
	AcceptUsesUntil time.Time
	// AcceptNoRollback is the operator's consent to revoke units that he names although a policy forbids the new password that
	// a rollback would need. It is journaled for each of them.
	AcceptNoRollback bool
	// Force lifts the limit on how many units one run revokes. It does not stand for naming a unit.
	Force  bool
	DryRun bool
}

// Revoke removes the old secrets of the units whose gates all hold: everything moved, both proofs made afresh, the soak
// time over, and no use of the old credential since. This cannot be undone; a rollback afterwards mints a new password.
func (e *Executor) Revoke(ctx context.Context, o RevokeOptions) (Result, error) {
	if err := e.start(); err != nil {
		return Result{}, err
	}
	units, err := e.selectUnits(o.Only, 0)
	if err != nil {
		return Result{}, err
	}
	problems := e.refreshAll(ctx, units)
	all := make([]*revocation, 0, len(units))
	for _, u := range units {
		all = append(all, &revocation{unit: u})
	}
	inParallel(e.parallel(), all, func(r *revocation) { e.clear(ctx, r, o, problems) })
	e.limit(all, o)
	inParallel(e.parallel(), all, func(r *revocation) {
		if r.ready {
			r.result = e.remove(ctx, r, o)
		}
	})
	out := make([]UnitResult, 0, len(units))
	for _, r := range all {
		out = append(out, r.result)
	}
	if !o.DryRun {
		err = e.compareRoles(ctx, out)
	}
	r := e.result("revoke", out)
	r.DryRun = o.DryRun
	return r, cmp.Or(err, ctx.Err())
}

// clear proves once more and checks the gates of a unit.
func (e *Executor) clear(ctx context.Context, c *revocation, o RevokeOptions, problems map[inventory.RepositoryName]error) {
	var proved bool
	c.result, proved = e.verifyUnit(ctx, c.unit, problems)
	if proved && ctx.Err() == nil {
		c.result = e.checkGates(ctx, c, o)
	}
}

// checkGates sees that nothing holds a proved unit, and reads its sign-in log. Entra keeps the log for 7 or 30 days
// (Microsoft Learn: "Microsoft Entra data retention"), so that long after the move it does not reach back to it: it must
// then at least show the whole soak time up to now.
func (e *Executor) checkGates(ctx context.Context, c *revocation, o RevokeOptions) UnitResult {
	u, r := c.unit, c.result
	switch u.Kind {
	case "":
	case plan.KindIssuer:
		return e.checkRemovals(ctx, c, o)
	default:
		return r // it took no secret away, so that there is none to revoke
	}
	r.Gates = nil
	if gates := withheldGates(u); len(gates) > 0 {
		return pendingOn(r, gates...)
	}
	moved, err := e.moved(u)
	if err != nil {
		r.fail(err)
		return r
	}
	if gates := e.revokeGates(u, moved, o.Only); len(gates) > 0 {
		return pendingOn(r, gates...)
	}
	switch gate, err := e.consentGate(ctx, u, o); {
	case err != nil:
		r.fail(err)
		return r
	case gate != nil:
		return pendingOn(r, *gate)
	}
	switch gate, err := e.replacedGate(ctx, u, moved); {
	case err != nil:
		r.fail(err)
		return r
	case gate != nil:
		return pendingOn(r, *gate)
	}
	c.moved = moved
	return e.readLog(ctx, c, r, o)
}

// readLog reads the sign-in log since the last consumer moved, and journals what the operator decides where it is silent.
func (e *Executor) readLog(ctx context.Context, c *revocation, r UnitResult, o RevokeOptions) UnitResult {
	u, moved := c.unit, c.moved
	log, err := e.Outside.Directory.SignIns(ctx, u.AppID, moved)
	if err != nil {
		r.fail(fmt.Errorf("read the sign-in log of %s: %w", u.Title, err))
		return r
	}
	if u.Kind == plan.KindIssuer {
		log = unnamedFederated(log, moved)
	}
	if !log.Known || log.Since.After(moved) && log.Since.After(e.now().Add(-time.Duration(e.soak(u).Time))) {
		if gate := e.acceptUnknown(u, o, log, moved, &r); gate != nil {
			return pendingOn(r, *gate)
		}
	}
	if !o.AcceptUsesUntil.IsZero() && !o.DryRun {
		after := State{"until": o.AcceptUsesUntil.UTC().Format(time.RFC3339)}
		if last := e.step(u.ID, acceptUsesStep).seen; last == nil || !equalState(last.After, after) {
			if err := e.record(Record{Unit: u.ID, Step: acceptUsesStep, Phase: PhaseObserved, After: after, Note: "the operator decided that uses of the old credential until then are explained"}); err != nil {
				r.fail(err)
				return r
			}
		}
	}
	c.log, c.ready = log, true
	return r
}

// pendingOn is the result of a unit that waits for gates, one at least; the first gives the reason.
func pendingOn(r UnitResult, gates ...Gate) UnitResult {
	r.State, r.Reason, r.Next, r.Gates = UnitPending, gates[0].Reason, gates[0].Next, append(r.Gates, gates...)
	return r
}

// acceptUnknown asks whether the operator takes it upon himself that the log is silent.
func (e *Executor) acceptUnknown(u plan.Unit, o RevokeOptions, log inventory.SignInEvidence, moved time.Time, r *UnitResult) *Gate {
	reason := log.Reason
	if log.Known {
		reason = fmt.Sprintf("the log begins at %s, and the last consumer moved at %s", log.Since.UTC().Format(time.RFC3339), moved.UTC().Format(time.RFC3339))
	}
	if n := e.unreadable(); n > 0 {
		reason += fmt.Sprintf("; and %d connections or files could not be read, any of which may use it", n)
	}
	if !o.AcceptNoSignInLog {
		return &Gate{Name: GateSignIns, Reason: "whether the old credential is still used cannot be known: " + reason,
			Next: []string{"let the program read the sign-in log (AuditLog.Read.All, Entra ID P1 or P2)",
				"or decide that it is not used any more: unsecret revoke --accept-no-sign-in-log (the decision is journaled)"}}
	}
	if o.DryRun || e.step(u.ID, acceptStep).seen != nil {
		return nil
	}
	if err := e.record(Record{Unit: u.ID, Step: acceptStep, Phase: PhaseObserved, After: State{"reason": reason}, Note: "the operator decided to revoke without a sign-in log"}); err != nil {
		return &Gate{Name: GateSignIns, Reason: err.Error()}
	}
	return nil
}

// unreadable counts what the scan could not look into.
func (e *Executor) unreadable() int {
	n := 0
	for _, l := range e.Plan.Left {
		if l.Code == "unreadable" || l.Code == "gap" {
			n++
		}
	}
	return n
}

// remove runs the revoke steps in their order. A credential that was used since the last consumer moved has a consumer that
// nobody knows: its soak time begins again with that use.
func (e *Executor) remove(ctx context.Context, c *revocation, o RevokeOptions) UnitResult {
	u, r := c.unit, c.result
	if !o.DryRun {
		if err := e.noteApproval(u); err != nil {
			r.fail(err)
			return r
		}
	}
	done, watch := map[string]bool{}, watching{e: e, unit: u, log: c.log, until: o.AcceptUsesUntil}
	for i, s := range u.Steps {
		if s.Phase != plan.PhaseRevoke {
			done[s.ID] = true
			continue
		}
		settled := e.step(u.ID, s.ID).settled()
		if watched(s) && !settled {
			gate := cmp.Or(c.held[s.ID], watch.gate(s))
			if gate == nil {
				gate = e.usedGate(u, s, o, c)
			}
			if gate != nil {
				r.Gates = append(r.Gates, *gate)
				r.Steps[i].State, r.Steps[i].Reason = StepPending, gate.Reason
				continue
			}
		}
		if waits := firstMissing(s.DependsOn, done); waits != "" {
			r.Steps[i].State, r.Steps[i].Reason = StepWaiting, "it waits for "+waits
			continue
		}
		r.Steps[i] = e.runStep(ctx, u, s, o.DryRun)
		st := r.Steps[i].State
		if !settled {
			watch.after(s, st)
		}
		done[s.ID] = st == StepDone || st == StepAlready || st == StepWould
	}
	r.State, r.Reason, r.Next = UnitVerified, "", nil
	e.judgeRevoked(u, &r)
	return r
}

func firstMissing(ids []string, done map[string]bool) string {
	for _, id := range ids {
		if !done[id] {
			return id
		}
	}
	return ""
}

func (e *Executor) judgeRevoked(u plan.Unit, r *UnitResult) {
	gates := r.Gates
	e.judge(u, r)
	if r.State != UnitFailed && r.State != UnitRevoked && len(gates) > 0 {
		r.State, r.Reason, r.Next, r.Gates = UnitPending, gates[0].Reason, gates[0].Next, gates
	}
}

// usedGate holds a credential that the log shows in use since the last known consumer moved. A sign-in with a secret whose
// key id the log does not tell counts against every password, one with a certificate against every certificate.
func (e *Executor) usedGate(u plan.Unit, s plan.Step, o RevokeOptions, r *revocation) *Gate {
	last, key := e.lastTrustUse(u, s, r.log), "federated credential id"
	if s.Kind == plan.StepCredential {
		last, key = lastUse(s.Credential, r.log, r.moved), "credential key id"
	}
	if last.IsZero() {
		return nil
	}
	g := &Gate{Name: GateSignIns,
		Reason: fmt.Sprintf("%s was used on %s, after everything known had moved: something unknown still signs in with it", removedText(s), last.UTC().Format(time.RFC3339)),
		Next: []string{"find it by the sign-in log (filter by this " + key + ": the entry has IP address and resource) and migrate it",
			"then say that the uses until now are explained: unsecret revoke --accept-uses-until TIME (the soak time begins again, the decision is journaled)"}}
	if last.After(o.AcceptUsesUntil) {
		return g
	}
	if until := last.Add(time.Duration(e.soak(u).Time)); e.now().Before(until) {
		g.Until, g.Next = until, nil
		return g
	}
	return nil
}

// unnamed tells whether a sign-in may have been made with a credential although the log does not tell its key id.
func unnamed(c *plan.CredentialStep, s inventory.SignIn) bool {
	return s.Unnamed(c.Type) && s.ErrorCode != errorInvalidSecret && s.ErrorCode != errorInvalidAssertion
}

// lastUse is the last time at which a credential was used since the last consumer moved; zero if it was not. A sign-in that failed because its
// secret or certificate is none of the application is no use of one that is.
func lastUse(c *plan.CredentialStep, log inventory.SignInEvidence, moved time.Time) time.Time {
	var last time.Time
	for _, s := range log.SignIns {
		mine := strings.EqualFold(string(s.KeyID), string(c.KeyID)) || unnamed(c, s)
		if mine && s.Time.After(moved) && s.Time.After(last) {
			last = s.Time
		}
	}
	return last
}
