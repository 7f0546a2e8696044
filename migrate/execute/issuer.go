package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// unusedPrefix begins the step of the journal that tells since when no connection presents what a federated credential trusts.
const unusedPrefix = "unused/"

func unusedStep(s plan.Step) string { return unusedPrefix + s.ID }

// unusedSince is when it was first seen that no connection presents what a step removes; zero: it was not, or something presents it again.
func (e *Executor) unusedSince(u plan.Unit, s plan.Step) time.Time {
	if p := e.step(u.ID, unusedStep(s)); p.seen != nil {
		return p.seen.Time
	}
	return time.Time{}
}

// removals are the steps of a unit that are to remove federated credentials and have not yet.
func (e *Executor) removals(u plan.Unit) []plan.Step {
	return slices.DeleteFunc(slices.Clone(u.Steps), func(s plan.Step) bool {
		return s.Kind != plan.StepTrustRemoval || e.step(u.ID, s.ID).settled()
	})
}

// proveUpdates looks whether the connections of a unit that moves to Entra's issuer sign in where a person has updated them, and gives what these present.
func (e *Executor) proveUpdates(ctx context.Context, u plan.Unit, p *proof) []subject.Subject {
	var needed []subject.Subject
	for _, use := range u.Connections {
		c, err := e.Outside.Connections.Connection(ctx, use.Organization, use.Project, use.ID)
		if errors.Is(err, ErrNotFound) {
			continue // nothing signs in with it any more
		}
		if err != nil {
			p.err = fmt.Errorf("read connection %s: %w", use.Name, err)
			return nil
		}
		if !strings.EqualFold(string(c.AppID), string(u.AppID)) {
			continue // somebody has given it another application
		}
		p.live = append(p.live, c)
		if inventory.OldDevOpsIssuer(c.Issuer) {
			continue // the plan tells the person what to do, and by when: a unit that waits until then would hold every verify
		}
		if c.Disabled {
			continue // nothing signs in with it as long as it is
		}
		ok, message, err := e.Outside.Connections.Test(ctx, c)
		switch {
		case err != nil:
			p.err = fmt.Errorf("test connection %s: %w", c.Name, err)
			return nil
		case !ok:
			p.refused(c, message)
		}
		if c.Scheme == inventory.SchemeFederation {
			needed = append(needed, subject.Subject{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience})
		}
	}
	return needed
}

// noteUnused journals, for each federated credential that is to be removed, since when no connection presents what it trusts, and that one does again.
func (e *Executor) noteUnused(u plan.Unit, p proof) error {
	left := e.removals(u)
	if p.err != nil { // not everything could be read
		left = nil
	}
	for _, s := range left {
		last := e.step(u.ID, unusedStep(s))
		by := presenters(s.Removal, p.live)
		var r *Record
		switch {
		case len(by) > 0 && last.seen != nil:
			r = &Record{Phase: PhaseUndone, Note: "it may be needed again: " + strings.Join(by, "; ")}
		case len(by) == 0 && last.seen == nil && p.ok():
			r = &Record{Phase: PhaseObserved, After: State{"presents": presentText(s.Removal, p.live)}, Note: "no connection presents it; its soak time begins"}
		default:
			continue
		}
		r.Unit, r.Step = u.ID, unusedStep(s)
		if err := e.record(*r); err != nil {
			return err
		}
	}
	return nil
}

// presenters tell which connections present what a federated credential trusts, or do not sign in with Entra's issuer although they have to before it goes.
func presenters(r *plan.TrustRemovalStep, live []inventory.Connection) []string {
	var out []string
	for _, c := range live {
		federated := c.Scheme == inventory.SchemeFederation
		switch {
		case federated && c.Issuer == r.Credential.Issuer && c.Subject == r.Credential.Subject:
			out = append(out, fmt.Sprintf("connection %s presents issuer %s and subject %s", c.Name, c.Issuer, c.Subject))
		case !slices.Contains(r.Connections, c.ID):
		case !federated:
			out = append(out, fmt.Sprintf("connection %s uses scheme %s", c.Name, c.Scheme))
		case !c.Ready || !inventory.EntraIssuer(c.Issuer):
			out = append(out, fmt.Sprintf("connection %s presents issuer %s", c.Name, c.Issuer))
		}
	}
	return out
}

// presentText is what the connections of a removal present instead.
func presentText(r *plan.TrustRemovalStep, live []inventory.Connection) string {
	var out []string
	for _, c := range live {
		if slices.Contains(r.Connections, c.ID) {
			out = append(out, c.Name+": "+c.Issuer+" "+c.Subject)
		}
	}
	return strings.Join(out, "; ")
}

// removalGate holds a federated credential until a person has updated what presents it, and the soak time since that was seen is over.
func (e *Executor) removalGate(u plan.Unit, s plan.Step) *Gate {
	since := e.unusedSince(u, s)
	if since.IsZero() {
		return updateGate(u, s)
	}
	soak := e.soak(u)
	if until := since.Add(time.Duration(soak.Time)); e.now().Before(until) {
		g := soakGate(until, soak)
		g.Reason = fmt.Sprintf("nothing has presented what federated credential %s trusts since %s: %s", s.Removal.Credential.Name, since.UTC().Format(time.RFC3339), g.Reason)
		return &g
	}
	return nil
}

// updateGate tells the person what is left to do before a federated credential can go.
func updateGate(u plan.Unit, s plan.Step) *Gate {
	fc := s.Removal.Credential
	g := &Gate{Name: GateUpdate, Next: []string{"unsecret verify notes since when nothing presents it any more, and what stands against that"},
		Reason: fmt.Sprintf("federated credential %s (subject %s) stays until it was seen that nothing presents what it trusts", fc.Name, fc.Subject)}
	var names, next []string
	for _, c := range u.Connections {
		if !slices.Contains(s.Removal.Connections, c.ID) {
			continue
		}
		object := "connection " + c.Name + " (" + c.Organization + "/" + c.ProjectName + ")"
		names = append(names, object)
		for _, n := range u.Notes {
			if n.Code == "issuer-by-hand" && n.Object == object {
				next = append(next, n.Next...)
			}
		}
	}
	if len(names) > 0 {
		g.Reason = fmt.Sprintf("federated credential %s (subject %s) stays until a person has updated %s to Entra's issuer, and it signs in with it", fc.Name, fc.Subject, strings.Join(names, ", "))
	}
	if !u.Deadline.IsZero() {
		g.Reason += "; the old issuer stops on " + u.Deadline.Format("2006-01-02")
	}
	if len(next) > 0 {
		g.Next = next
	}
	return g
}

// removalGates are the gates of all federated credentials of a unit that are still to be removed, by the journal and the clock.
func (e *Executor) removalGates(u plan.Unit) []Gate {
	var out []Gate
	for _, s := range e.removals(u) {
		if g := e.removalGate(u, s); g != nil {
			out = append(out, *g)
		}
	}
	return out
}

// checkRemovals sees which federated credentials of a proved unit may go, and reads the unit's sign-in log. Each goes by itself: that one connection is not
// updated yet holds nothing of the others.
func (e *Executor) checkRemovals(ctx context.Context, c *revocation, o RevokeOptions) UnitResult {
	u, r := c.unit, c.result
	left := e.removals(u)
	if len(left) == 0 {
		return r
	}
	r.Gates = nil
	if gates := append(withheldGates(u), e.decisionGates(u, o.Only)...); len(gates) > 0 {
		return pendingOn(r, gates...)
	}
	c.held = map[string]*Gate{}
	var gates []Gate
	for _, s := range left {
		if g := e.removalGate(u, s); g != nil {
			c.held[s.ID] = g
			gates = append(gates, *g)
		} else if since := e.unusedSince(u, s); c.moved.IsZero() || since.Before(c.moved) {
			c.moved = since
		}
	}
	if len(gates) == len(left) {
		return pendingOn(r, gates...)
	}
	if last := e.lastRemoval(u, "").at; !last.IsZero() && last.Before(c.moved) {
		c.moved = last // the removal is watched for failures
	}
	return e.readLog(ctx, c, r, o)
}

// unnamedFederated makes a log unknown that does not tell with which federated credential something has signed in.
func unnamedFederated(log inventory.SignInEvidence, since time.Time) inventory.SignInEvidence {
	for _, s := range log.SignIns {
		if s.ErrorCode == 0 && s.FederatedCredentialID == "" && strings.EqualFold(s.CredentialType, "federatedIdentityCredential") && s.Time.After(since) {
			log.Known, log.Reason = false, "the sign-in log does not name the federated credential of a sign-in on "+s.Time.UTC().Format(time.RFC3339)
			break
		}
	}
	return log
}

// lastTrustUse is the last time at which something signed in with a federated credential since it was first seen that no connection presents what it trusts; zero:
// nothing did.
func (e *Executor) lastTrustUse(u plan.Unit, s plan.Step, log inventory.SignInEvidence) time.Time {
	var last time.Time
	if s.Kind != plan.StepTrustRemoval {
		return last
	}
	t := trustRemovalEffect{e: e, step: s.Removal, progress: e.step(u.ID, s.ID)}
	id, since := string(t.removedID()), e.unusedSince(u, s)
	for _, x := range log.SignIns {
		if strings.EqualFold(string(x.FederatedCredentialID), id) && x.FederatedCredentialID != "" && x.Time.After(since) && x.Time.After(last) {
			last = x.Time
		}
	}
	return last
}
