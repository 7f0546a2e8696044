package execute

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// The errors of the token endpoint that a client gets whose secret is wrong or has ended (Microsoft Learn: "Microsoft Entra
// authentication and authorization error codes", AADSTS7000215 and AADSTS7000222).
const (
	errorInvalidSecret = 7000215
	errorExpiredSecret = 7000222
	// errorInvalidAssertion is what a client gets whose certificate the application does not have, or that has ended (AADSTS700027).
	errorInvalidAssertion = 700027
)

// errorsNotTrusted are what a client gets whose token matches no federated credential: none of its issuer, none of its subject, or none at all (Microsoft Learn:
// "Microsoft Entra authentication and authorization error codes", AADSTS70021, AADSTS700211, AADSTS700213).
var errorsNotTrusted = []int{70021, 700211, 700213}

// watched tells whether a step takes away what something may sign in with: of such steps of a unit only one is done at a time.
func watched(s plan.Step) bool {
	return s.Kind == plan.StepCredential || s.Kind == plan.StepTrustRemoval
}

// removedText names what a watched step removes.
func removedText(s plan.Step) string {
	if s.Kind == plan.StepTrustRemoval {
		return "federated credential " + s.Removal.Credential.Name
	}
	return s.Credential.Text()
}

// removal is the last credential of a unit that this program took away, or may have.
type removal struct {
	of    plan.Step
	at    time.Time
	would bool // by a dry run: it is still there
}

// lastRemoval finds it among the steps other than one. What was announced and not seen to end counts from its announcement on.
func (e *Executor) lastRemoval(u plan.Unit, except string) removal {
	var last removal
	for _, s := range u.Steps {
		if !watched(s) || s.ID == except {
			continue
		}
		p := e.step(u.ID, s.ID)
		r := p.done
		if r == nil {
			r = p.intent
		}
		if r != nil && r.Time.After(last.at) {
			last = removal{of: s, at: r.Time}
		}
	}
	return last
}

// watching is how a run of revoke goes through the credentials of one application: one at a time, each only when the removal of the
// one before has harmed nobody for a while.
type watching struct {
	e     *Executor
	unit  plan.Unit
	log   inventory.SignInEvidence
	until time.Time // uses and failures up to then are explained, says the operator
	fresh *removal  // made by this run, or what a dry run would make
}

// gate holds the next credential until the watch time since the last removal is over, and for as long as the log shows failures
// that nobody has explained.
func (w *watching) gate(s plan.Step) *Gate {
	if p := w.e.step(w.unit.ID, s.ID); p.settled() || p.intent != nil {
		return nil
	}
	last := w.e.lastRemoval(w.unit, s.ID)
	if w.fresh != nil {
		last = *w.fresh
	}
	watch := w.e.Plan.Settings.Revoke.WatchTime()
	if last.at.IsZero() {
		return nil
	}
	if failed := lastFailure(last, w.log); failed.After(w.until) {
		return failureGate(w.unit, last, failed)
	} else if failed.After(last.at) {
		last.at = failed
	}
	if until := last.at.Add(watch); watch > 0 && w.e.now().Before(until) { // the journal's clock is that of another system, and may be a moment ahead
		return watchGate(last, until)
	}
	return nil
}

// after notes what became of a step.
func (w *watching) after(s plan.Step, state StepState) {
	if watched(s) && (state == StepDone || state == StepWould) {
		w.fresh = &removal{of: s, at: w.e.now(), would: state == StepWould}
	}
}

func watchGate(last removal, until time.Time) *Gate {
	if last.would {
		return &Gate{Name: GateWatch, Reason: removedText(last.of) + " goes before this one, and sign-ins that fail are watched for after it: the next revoke goes on"}
	}
	return &Gate{Name: GateWatch, Until: until,
		Reason: fmt.Sprintf("%s was removed before this one; until %s its removal is watched for sign-ins that fail", removedText(last.of), until.UTC().Format(time.RFC3339))}
}

func failureGate(u plan.Unit, last removal, failed time.Time) *Gate {
	return &Gate{Name: GateWatch,
		Reason: fmt.Sprintf("since %s was removed, sign-ins fail with %s, the last on %s: something unknown may still need it",
			removedText(last.of), failureText(last.of), failed.UTC().Format(time.RFC3339)),
		Next: []string{"find it by the sign-in log (the entry has IP address and resource) and migrate it, or give it back a secret: unsecret rollback --unit " + u.ID,
			"then say that the failures until now are explained: unsecret revoke --accept-uses-until TIME (the watch time begins again, the decision is journaled)"}}
}

// failureText names how a sign-in fails for want of what was removed.
func failureText(s plan.Step) string {
	switch {
	case s.Kind == plan.StepTrustRemoval:
		return "a token that the application does not trust (AADSTS700211, AADSTS700213)"
	case s.Credential.IsCertificate():
		return "a certificate that the application does not have (AADSTS700027)"
	}
	return "a wrong or expired secret (AADSTS7000215, AADSTS7000222)"
}

// failsFor tells whether a sign-in failed as it does without what was removed.
func failsFor(s plan.Step, code int) bool {
	switch {
	case s.Kind == plan.StepTrustRemoval:
		return slices.Contains(errorsNotTrusted, code)
	case s.Credential.IsCertificate():
		return code == errorInvalidAssertion
	}
	return code == errorInvalidSecret || code == errorExpiredSecret
}

// lastFailure is the last sign-in since a removal that failed for want of a right credential, where the log names no other one.
func lastFailure(r removal, log inventory.SignInEvidence) time.Time {
	var last time.Time
	for _, s := range log.SignIns {
		mine := s.FederatedCredentialID == ""
		if r.of.Kind == plan.StepCredential {
			mine = s.KeyID == "" || strings.EqualFold(string(s.KeyID), string(r.of.Credential.KeyID))
		}
		if failsFor(r.of, s.ErrorCode) && mine && s.Time.After(r.at) && s.Time.After(last) {
			last = s.Time
		}
	}
	return last
}

// watchStatus is the gate of a unit of which a credential was removed and another is left, by the journal and the clock.
func (e *Executor) watchStatus(u plan.Unit) *Gate {
	i := slices.IndexFunc(u.Steps, func(s plan.Step) bool {
		p := e.step(u.ID, s.ID)
		return watched(s) && !p.settled() && p.intent == nil
	})
	if i < 0 {
		return nil
	}
	w := watching{e: e, unit: u}
	return w.gate(u.Steps[i])
}
