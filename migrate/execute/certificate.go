package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// certificateEffect removes one certificate of an application by writing back the others, since Graph's removeKey asks for a signature with a private
// key of the application, which this program does not have (Microsoft Learn: application: removeKey). What is removed is public, and kept in the
// journal, from which a rollback writes it back.
type certificateEffect struct {
	e        *Executor
	step     *plan.CredentialStep
	progress stepProgress
	seen     []KeyCredential // what the last look saw
}

// lostOthers begins the failure of a removal that took more away than it was meant to: it is not tried again.
const lostOthers = "Graph removed more certificates than it was asked to"

func (c *certificateEffect) look(ctx context.Context) (sight, error) {
	id, err := c.e.Outside.Directory.Application(ctx, c.step.AppID)
	if err != nil {
		return sight{}, fmt.Errorf("read application %s: %w", c.step.AppID, err)
	}
	out := sight{facts: trustFacts(id)}
	i := slices.IndexFunc(id.Credentials, func(k inventory.Credential) bool {
		return k.On == inventory.OnApplication && strings.EqualFold(string(k.KeyID), string(c.step.KeyID))
	})
	if i < 0 {
		out.present, out.state = true, c.state(c.kept())
		return out, nil
	}
	out.facts[plan.CertificateField(c.step.KeyID)] = plan.CertificateFact(id.Credentials[i])
	if failed := c.progress.failed; failed != nil && strings.HasPrefix(failed.Note, lostOthers) {
		return sight{}, &manualError{err: errors.New(failed.Note), next: []string{"remove the certificate in the application's Certificates & secrets, then run again"}}
	}
	c.seen, err = c.e.Outside.Directory.KeyCredentials(ctx, c.step.Application)
	if err != nil {
		return sight{}, err
	}
	for _, k := range c.seen {
		if !public(k) {
			return sight{}, &manualError{err: fmt.Errorf("application %s has key %s (%s, %s), which is no certificate that only verifies: its list of keys is not written back", c.step.AppID, k.KeyID, k.Form, k.Usage),
				next: []string{"remove certificate " + string(c.step.KeyID) + " in the application's Certificates & secrets, then run again"}}
		}
		if sameID(k, c.step.KeyID) {
			out.facts["certificate"] = string(k.JSON)
		}
	}
	return out, nil
}

func public(k KeyCredential) bool {
	c := inventory.Credential{Type: inventory.CredentialCertificate, On: inventory.OnApplication, Form: k.Form, Usage: k.Usage}
	return c.Public()
}

func sameID(k KeyCredential, id inventory.KeyID) bool {
	return strings.EqualFold(string(k.KeyID), string(id))
}

// kept is the certificate as the journal has it from before its removal.
func (c *certificateEffect) kept() string {
	for _, k := range c.seen {
		if sameID(k, c.step.KeyID) {
			return string(k.JSON)
		}
	}
	if c.progress.intent != nil {
		return c.progress.intent.Before["certificate"]
	}
	return ""
}

func (c *certificateEffect) state(certificate string) State {
	s := State{"kind": string(plan.StepCredential), "type": string(c.step.Type), "application": string(c.step.Application), "keyId": string(c.step.KeyID)}
	if certificate != "" {
		s["certificate"] = certificate
	}
	return s
}

func (c *certificateEffect) do(ctx, stop context.Context) (State, error) {
	others := slices.DeleteFunc(slices.Clone(c.seen), func(k KeyCredential) bool { return sameID(k, c.step.KeyID) })
	err := c.e.Outside.Directory.SetKeyCredentials(ctx, c.step.Application, c.seen, others)
	switch {
	case errors.Is(err, ErrConflict):
		return nil, fmt.Errorf("remove certificate %s: %w; nothing was changed: run again", c.step.KeyID, err)
	case errors.Is(err, ErrRefused), errors.Is(err, ErrPolicy):
		return nil, &manualError{err: fmt.Errorf("remove certificate %s: %w; nothing was changed", c.step.KeyID, err),
			next: []string{"remove it in the application's Certificates & secrets, then run again"}}
	case err != nil && !errors.Is(err, ErrUnknownOutcome):
		return nil, fmt.Errorf("remove certificate %s: %w", c.step.KeyID, err)
	}
	now, waited := c.e.awaitKeys(ctx, stop, c.step.Application, func(now []KeyCredential) bool {
		return !has(now, c.step.KeyID) && len(missing(now, others)) == 0
	})
	switch {
	case waited == nil:
		return c.state(c.kept()), nil
	case !errors.Is(waited, errPatience):
		return nil, errors.Join(err, waited)
	case has(now, c.step.KeyID):
		if err == nil {
			err = fmt.Errorf("certificate %s is still there: %w", c.step.KeyID, ErrUnknownOutcome)
		}
		return nil, err
	}
	return nil, c.putBack(ctx, stop, now, others)
}

// putBack repairs a removal that took others with it: everything that was there is written again.
func (c *certificateEffect) putBack(ctx, stop context.Context, now, others []KeyCredential) error {
	var lost []string
	for _, k := range missing(now, others) {
		lost = append(lost, string(k.KeyID))
	}
	back := missing(now, c.seen)
	failure := fmt.Sprintf("%s: with %s went %s", lostOthers, c.step.KeyID, strings.Join(lost, ", "))
	next := []string{"remove certificate " + string(c.step.KeyID) + " in the application's Certificates & secrets, then run again"}
	if err := c.e.addKeys(ctx, stop, c.step.Application, back); err != nil {
		return &manualError{err: fmt.Errorf("%s; writing them back failed: %w", failure, err),
			next: append([]string{"write the certificates back by hand: the directory's audit log has them, and whoever signs in with them has them, too"}, next...)}
	}
	return &manualError{err: errors.New(failure + "; all were written back"), next: next}
}

func has(keys []KeyCredential, id inventory.KeyID) bool {
	return slices.ContainsFunc(keys, func(k KeyCredential) bool { return sameID(k, id) })
}

// missing are those of want that are not there.
func missing(there, want []KeyCredential) []KeyCredential {
	return slices.DeleteFunc(slices.Clone(want), func(k KeyCredential) bool { return has(there, k.KeyID) })
}

// awaitKeys reads an application's certificates until they are as they should be, since what Graph answers can lag behind what it took.
func (e *Executor) awaitKeys(ctx, stop context.Context, application inventory.ObjectID, right func([]KeyCredential) bool) ([]KeyCredential, error) {
	var now []KeyCredential
	err := e.poll(stop, e.propagation(), func() (bool, error) {
		var err error
		now, err = e.Outside.Directory.KeyCredentials(ctx, application)
		return err == nil && right(now), err
	})
	return now, err
}

// addKeys writes certificates to an application beside those that are there, and waits until they are seen.
func (e *Executor) addKeys(ctx, stop context.Context, application inventory.ObjectID, add []KeyCredential) error {
	var last error
	err := e.poll(stop, conflictPatience, func() (bool, error) {
		now, err := e.Outside.Directory.KeyCredentials(ctx, application)
		if err != nil {
			return false, err
		}
		for _, k := range now {
			if !public(k) {
				return false, fmt.Errorf("application has key %s (%s, %s), which is no certificate that only verifies: its list of keys is not written back: %w", k.KeyID, k.Form, k.Usage, ErrRefused)
			}
		}
		absent := missing(now, add)
		if len(absent) == 0 {
			return true, nil
		}
		last = e.Outside.Directory.SetKeyCredentials(ctx, application, now, slices.Concat(now, absent))
		if last == nil || errors.Is(last, ErrConflict) || errors.Is(last, ErrUnknownOutcome) {
			return false, nil // the next look tells
		}
		return false, last
	})
	if errors.Is(err, errPatience) && last != nil {
		return last
	}
	return err
}

// removedCertificate is what the journal has of a certificate that a step removed, or may have; ok is false where it did not.
func (r *rollbackRun) removedCertificate(u plan.Unit, s plan.Step) (text string, ok bool) {
	if s.Kind != plan.StepCredential || !s.Credential.IsCertificate() {
		return "", false
	}
	switch p := r.e.step(u.ID, s.ID); {
	case p.done != nil:
		return p.done.After["certificate"], true
	case p.intent != nil:
		return p.intent.Before["certificate"], true
	}
	return "", false // never removed, or by somebody else
}

// restoreCertificates writes back the certificates that a revoke of the unit removed, and remembers why one is not.
func (r *rollbackRun) restoreCertificates(ctx, stop context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		if text, ok := r.removedCertificate(u, s); ok {
			if err := r.restoreCertificate(ctx, stop, u, s, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// endOf is when a certificate ends, as Graph gave it.
func endOf(text string) (time.Time, error) {
	var fields struct {
		End time.Time `json:"endDateTime"`
	}
	err := json.Unmarshal([]byte(text), &fields)
	return fields.End, err
}

// certificateReturns tells whether the rollback can write a certificate of the unit back that still works, as far as is known beforehand.
func (r *rollbackRun) certificateReturns(u plan.Unit) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		text, ok := r.removedCertificate(u, s)
		end, err := endOf(text)
		return ok && err == nil && end.After(r.e.now()) && r.stays(u, s) == ""
	})
}

func (r *rollbackRun) restoreCertificate(ctx, stop context.Context, u plan.Unit, s plan.Step, text string) error {
	var key KeyCredential
	key.KeyID, key.JSON = s.Credential.KeyID, json.RawMessage(text)
	now, err := r.e.Outside.Directory.KeyCredentials(ctx, s.Credential.Application)
	if err != nil {
		return err
	}
	if has(now, key.KeyID) {
		return r.certificateBack(u, s)
	}
	end, err := endOf(text)
	if err != nil {
		return r.notRestored(u, s, "the journal has nothing of it")
	}
	if !end.After(r.e.now()) {
		return r.notRestored(u, s, "it has ended")
	}
	step := restorePrefix + s.ID
	if err := r.e.record(Record{Unit: u.ID, Step: step, Phase: PhaseIntent, Before: State{"keyId": string(key.KeyID)}}); err != nil {
		return err
	}
	err = r.e.addKeys(ctx, stop, s.Credential.Application, []KeyCredential{key})
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, ErrPolicy), errors.Is(err, ErrForbidden):
		return r.notRestored(u, s, err.Error())
	case err != nil:
		return fmt.Errorf("write certificate %s back: %w", key.KeyID, err)
	}
	if err := r.e.record(Record{Unit: u.ID, Step: step, Phase: PhaseDone, After: State{"keyId": string(key.KeyID)}}); err != nil {
		return err
	}
	return r.certificateBack(u, s)
}

// certificateBack journals at once that a certificate is there again: should the rollback come to no end, it is the next revoke's to remove.
func (r *rollbackRun) certificateBack(u plan.Unit, s plan.Step) error {
	return r.undone(u, s.ID, "taken back: "+s.Title, s.Kind, nil)
}

// certificatesBack tells whether a rollback has written a certificate of the unit back.
func (r *rollbackRun) certificatesBack(u plan.Unit) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		return s.Kind == plan.StepCredential && s.Credential.IsCertificate() && r.e.step(u.ID, restorePrefix+s.ID).done != nil
	})
}

// notRestored journals that a certificate stays away: connections that had one then get a password.
func (r *rollbackRun) notRestored(u plan.Unit, s plan.Step, why string) error {
	result := StepResult{Reason: fmt.Sprintf("certificate %s is not written back: %s", s.Credential.KeyID, why)}
	r.e.noteFailure(u.ID, restorePrefix+s.ID, &result, false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stayed == nil {
		r.stayed = map[string]string{}
	}
	r.stayed[u.ID+" "+s.ID] = result.Reason
	return nil
}

// stays tells why a certificate was not written back; empty: it was.
func (r *rollbackRun) stays(u plan.Unit, s plan.Step) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stayed[u.ID+" "+s.ID]
}
