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

// place is one store that must hold a working password again.
type place struct {
	step       string // in the journal
	title      string
	connection *inventory.Connection
	project    inventory.ProjectID
	secret     *plan.SecretStep
}

// restore makes the old way work again, for connections and stored secrets. Nothing of the new way is touched before that.
func (r *rollbackRun) restore(ctx, stop context.Context, u plan.Unit) error {
	if err := r.e.record(Record{Unit: u.ID, Step: rollbackStep, Phase: PhaseIntent}); err != nil {
		return err
	}
	if err := r.settleConversions(ctx, stop, u); err != nil {
		return err
	}
	if err := r.restoreCertificates(ctx, stop, u); err != nil {
		return err
	}
	if err := r.restoreTrust(ctx, stop, u); err != nil {
		return err
	}
	id, err := r.e.Outside.Directory.Application(ctx, u.AppID)
	if err != nil {
		return fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	gone := r.removed(u, id)
	secrets, err := r.secretPlaces(ctx, u, gone)
	if err != nil {
		return err
	}
	back, places, begun, err := r.connectionPlaces(ctx, u, id, gone)
	if err != nil {
		return err
	}
	places = append(places, secrets...)
	if err := errors.Join(r.unblock(ctx, u), r.enable(ctx, u)); err != nil {
		return err
	}
	if len(places) > 0 {
		if err := r.refill(ctx, stop, u, places); err != nil {
			return r.forbidden(u, err, places, begun || r.anyWritten(u, places) || r.certificatesBack(u))
		}
	}
	for _, c := range back {
		failed, err := r.convertBack(ctx, stop, u, c)
		if err != nil {
			return err
		}
		if failed != nil {
			places = append(places, *failed)
			if err := r.refill(ctx, stop, u, places); err != nil {
				return r.forbidden(u, err, places, true)
			}
		}
	}
	return r.noteRestored(u)
}

// forbidden explains that no password could be minted, because a policy or a missing right forbids it. Where nothing was changed
// yet the rollback is over, and the unit stands where it stood.
func (r *rollbackRun) forbidden(u plan.Unit, err error, places []place, begun bool) error {
	if !errors.Is(err, errMint) || !errors.Is(err, ErrPolicy) && !errors.Is(err, ErrForbidden) {
		return err
	}
	what := "what was put back so far stays so"
	if !begun {
		what = "nothing was changed: the pipelines go on signing in without a secret"
		if err := r.e.record(Record{Unit: u.ID, Step: rollbackStep, Phase: PhaseUndone, Note: "given up before anything was changed: " + err.Error()}); err != nil {
			return err
		}
	}
	return &manualError{err: fmt.Errorf("%w; %s", err, what), next: []string{
		fmt.Sprintf("let the tenant's app management policy allow passwords on application %s (or give the caller the right to add one), then run the rollback again", u.AppID),
		"or make a secret by other means and put it where the old one was: " + placesText(places),
		"or stay with workload identity federation and repair what is wrong there: unsecret verify names it"}}
}

// settleConversions finds out what became of conversions that an interrupted run announced.
func (r *rollbackRun) settleConversions(ctx, stop context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepConnection || p.intent == nil {
			continue
		}
		c := &connectionEffect{e: r.e, unit: u, step: s, progress: p}
		err := r.e.poll(stop, r.e.conversion(), func() (bool, error) {
			found, err := c.read(ctx)
			if errors.Is(err, ErrNotFound) {
				return true, nil
			}
			return err == nil && !busy(found), err
		})
		if err != nil {
			return fmt.Errorf("wait for the conversion of connection %s: %w", s.Connection.Name, err)
		}
		seen, err := c.look(ctx)
		if err != nil || !seen.present {
			if err := ignoreNotFound(err); err != nil {
				return err
			}
			continue
		}
		result := StepResult{}
		if r.e.finish(u, s, seen.state, "found done after an interruption", &result); result.State == StepFailed {
			return errors.New(result.Reason)
		}
	}
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// removed tells whether a password of the unit is gone.
func (r *rollbackRun) removed(u plan.Unit, id inventory.Identity) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		if s.Kind != plan.StepCredential || s.Credential.IsCertificate() {
			return false
		}
		p := r.e.step(u.ID, s.ID)
		there := slices.ContainsFunc(id.Credentials, func(c inventory.Credential) bool { return c.KeyID == s.Credential.KeyID })
		return p.settled() || p.intent != nil && !there
	})
}

// connectionPlaces sorts the converted connections into those that can be converted back and those that need a password, and
// tells whether any was converted back already.
func (r *rollbackRun) connectionPlaces(ctx context.Context, u plan.Unit, id inventory.Identity, gone bool) (back []inventory.Connection, places []place, begun bool, err error) {
	passwords := slices.ContainsFunc(id.Credentials, func(c inventory.Credential) bool {
		return c.Type == inventory.CredentialPassword && c.End.After(r.e.now()) && !r.mine(u, c)
	})
	certificates := r.certificateReturns(u) || slices.ContainsFunc(id.Credentials, func(c inventory.Credential) bool {
		return c.Type == inventory.CredentialCertificate && c.End.After(r.e.now()) && !id.SAMLSigning(c)
	})
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepConnection || p.done == nil && p.intent == nil {
			continue
		}
		c, err := r.e.Outside.Connections.Connection(ctx, s.Connection.Organization, s.Connection.Project, s.Connection.ID)
		if errors.Is(err, ErrNotFound) {
			continue // deleted by a person: nothing signs in with it
		}
		if err != nil {
			return nil, nil, false, fmt.Errorf("read connection %s: %w", s.Connection.Name, err)
		}
		refilled, gone, usable := r.e.step(u.ID, restorePrefix+s.ID), gone, passwords
		if s.Connection.Certificate {
			gone, usable = r.certificateGone(u), certificates
		}
		switch {
		case c.Scheme == inventory.SchemeServicePrincipal && c.Ready && !gone && refilled.done == nil && refilled.intent == nil:
			begun = begun || p.done != nil
		case c.Scheme != inventory.SchemeServicePrincipal && !gone && usable && c.RevertDeadline.After(r.e.now()):
			back = append(back, c)
		default:
			places = append(places, connectionPlace(s, c))
		}
	}
	replaced, err := r.replacedPlaces(ctx, u, gone)
	return back, append(places, replaced...), begun, err
}

// certificateGone tells whether a certificate of the unit was removed and could not be written back.
func (r *rollbackRun) certificateGone(u plan.Unit) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return r.stays(u, s) != "" })
}

func connectionPlace(s plan.Step, c inventory.Connection) place {
	return place{step: restorePrefix + s.ID, title: "new password in connection " + c.Name, connection: &c, project: s.Connection.Project}
}

// secretPlaces are the GitHub secrets whose password is gone, or which are gone themselves.
func (r *rollbackRun) secretPlaces(ctx context.Context, u plan.Unit, gone bool) ([]place, error) {
	var out []place
	for _, s := range u.Steps {
		if s.Kind != plan.StepSecret {
			continue
		}
		p := r.e.step(u.ID, s.ID)
		deleted := p.done != nil
		if !deleted && p.intent != nil {
			_, err := r.e.Outside.Repositories.Secret(ctx, s.Secret.Store)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return nil, fmt.Errorf("read secret %s: %w", s.Secret.Store, err)
			}
			deleted = err != nil
		}
		if gone || deleted {
			out = append(out, place{step: restorePrefix + s.ID, title: "new password in secret " + s.Secret.Store.String(), secret: s.Secret})
		}
	}
	return out, nil
}

// convertBack reverts one connection within its deadline. Where the service refuses, or the old password does not work
// any more, the connection gets a new one instead: it is returned as a place.
func (r *rollbackRun) convertBack(ctx, stop context.Context, u plan.Unit, c inventory.Connection) (*place, error) {
	s, ok := u.Step(string(plan.StepConnection) + "/" + string(c.ID))
	if !ok {
		return nil, fmt.Errorf("the plan has no step for connection %s", c.Name)
	}
	p := connectionPlace(s, c)
	err := r.e.Outside.Connections.Convert(ctx, c, inventory.SchemeServicePrincipal)
	if errors.Is(err, ErrRefused) {
		return &p, nil
	}
	if err != nil && !errors.Is(err, ErrUnknownOutcome) {
		return nil, fmt.Errorf("convert connection %s back: %w", c.Name, err)
	}
	found, err := r.e.awaitScheme(ctx, stop, c, s.Connection, inventory.SchemeServicePrincipal)
	if errors.Is(err, ErrRefused) {
		return &p, nil
	}
	if err != nil {
		return nil, err
	}
	if r.workedBefore(u, s) {
		if ok, _, err := r.e.Outside.Connections.Test(ctx, found); err == nil && !ok {
			p = connectionPlace(s, found)
			return &p, nil
		}
	}
	return nil, nil
}

// workedBefore tells whether the connection signed in before its conversion; unknown counts as yes.
func (r *rollbackRun) workedBefore(u plan.Unit, s plan.Step) bool {
	p := r.e.step(u.ID, s.ID)
	return p.done == nil || p.done.After["workedBefore"] != "false"
}

// marker is the display name of a password that a rollback mints, by which one that was lost is found again.
func (r *rollbackRun) marker(u plan.Unit) string {
	return r.e.Plan.Settings.PasswordName() + "-" + u.ID
}

// mine tells whether a password is one that a rollback of the unit minted, also under a name that was configured before.
func (r *rollbackRun) mine(u plan.Unit, c inventory.Credential) bool {
	if c.Type != inventory.CredentialPassword {
		return false
	}
	p := r.e.step(u.ID, mintStep)
	names := []string{r.marker(u)}
	if p.intent != nil {
		names = append(names, p.intent.Before["displayName"])
	}
	if p.done != nil {
		names = append(names, p.done.After["displayName"])
	}
	return c.DisplayName != "" && slices.Contains(names, c.DisplayName)
}

// refill mints one password and puts it into every place. A password that an earlier run minted is of no use, since its value was
// lost with that run: all places get the new one, and then the old one is removed, so that nothing is without a working
// password in between. One that was written nowhere is removed first.
func (r *rollbackRun) refill(ctx, stop context.Context, u plan.Unit, places []place) error {
	orphans, err := r.orphans(ctx, u)
	if err != nil {
		return err
	}
	if r.refilled(u, places) {
		minted := inventory.KeyID(r.e.step(u.ID, mintStep).done.After["keyId"])
		return r.removeOrphans(ctx, u, slices.DeleteFunc(orphans, func(k inventory.KeyID) bool { return k == minted }))
	}
	if !r.anyWritten(u, places) {
		if err := r.removeOrphans(ctx, u, orphans); err != nil {
			return err
		}
		orphans = nil
	}
	key, password, err := r.mint(ctx, u)
	if err != nil {
		return err
	}
	defer password.Clear()
	for _, p := range places {
		if err := r.fill(ctx, stop, u, p, key, password); err != nil {
			return err
		}
	}
	return r.removeOrphans(ctx, u, orphans)
}

// refilled tells whether every place already has the password that was minted last.
func (r *rollbackRun) refilled(u plan.Unit, places []place) bool {
	minted := r.e.step(u.ID, mintStep).done
	if minted == nil {
		return false
	}
	return !slices.ContainsFunc(places, func(p place) bool {
		done := r.e.step(u.ID, p.step).done
		return done == nil || done.After["keyId"] != minted.After["keyId"]
	})
}

func (r *rollbackRun) anyWritten(u plan.Unit, places []place) bool {
	return slices.ContainsFunc(places, func(p place) bool {
		s := r.e.step(u.ID, p.step)
		return s.done != nil || s.intent != nil
	})
}

// orphans are the passwords that earlier runs minted for this rollback.
func (r *rollbackRun) orphans(ctx context.Context, u plan.Unit) ([]inventory.KeyID, error) {
	id, err := r.e.Outside.Directory.Application(ctx, u.AppID)
	if err != nil {
		return nil, fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	var out []inventory.KeyID
	for _, c := range id.Credentials {
		if r.mine(u, c) {
			out = append(out, c.KeyID)
		}
	}
	return out, nil
}

func (r *rollbackRun) removeOrphans(ctx context.Context, u plan.Unit, keys []inventory.KeyID) error {
	for _, k := range keys {
		err := r.e.Outside.Directory.RemovePassword(ctx, u.ObjectID, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("remove password %s, which an interrupted rollback left behind: %w", k, err)
		}
	}
	return nil
}

// mint makes a short-lived password. It is the first change where one is needed, so that a policy that forbids it is found before
// anything is touched.
func (r *rollbackRun) mint(ctx context.Context, u plan.Unit) (inventory.KeyID, *Password, error) {
	end := r.e.now().Add(time.Duration(r.e.Plan.Settings.RollbackDays) * 24 * time.Hour)
	if err := r.e.record(Record{Unit: u.ID, Step: mintStep, Phase: PhaseIntent, Before: State{"displayName": r.marker(u), "end": end.Format(time.RFC3339)}}); err != nil {
		return "", nil, err
	}
	key, password, err := r.addPassword(ctx, u, end)
	if err != nil {
		result := StepResult{Reason: err.Error()}
		r.e.noteFailure(u.ID, mintStep, &result, false)
		return "", nil, fmt.Errorf("%w for %s: %w", errMint, u.Title, err)
	}
	if err := r.e.record(Record{Unit: u.ID, Step: mintStep, Phase: PhaseDone, After: State{"keyId": string(key), "displayName": r.marker(u), "end": end.Format(time.RFC3339)}}); err != nil {
		password.Clear()
		return "", nil, err
	}
	r.note(u, mintStep, fmt.Sprintf("minted password %s, valid until %s", key, end.Format("2006-01-02")), plan.StepCredential)
	return key, password, nil
}

// afterRollback says how a unit that was rolled back signs in. A password that was minted for it ends before long, and everything with it.
func (e *Executor) afterRollback(unit string) (reason string, next []string) {
	minted := e.step(unit, mintStep).done
	if minted == nil {
		return "everything is as it was before", nil
	}
	end, _, _ := strings.Cut(minted.After["end"], "T")
	return "everything signs in as before; what needed a new password has one that ends on " + end,
		[]string{"before that day migrate the unit again (unsecret scan, plan and apply), or renew the password by hand: after it nothing that holds it signs in any more"}
}

// errMint tells that no password could be made.
var errMint = errors.New("mint a password")

// placesText names the places that need a password.
func placesText(places []place) string {
	var out []string
	for _, p := range places {
		if p.connection != nil {
			out = append(out, "connection "+p.connection.Name)
		} else {
			out = append(out, "secret "+p.secret.Store.String())
		}
	}
	return strings.Join(out, ", ")
}

// fill writes the password into one place.
func (r *rollbackRun) fill(ctx, stop context.Context, u plan.Unit, p place, key inventory.KeyID, password *Password) error {
	if err := r.e.record(Record{Unit: u.ID, Step: p.step, Phase: PhaseIntent, After: State{"keyId": string(key)}}); err != nil {
		return err
	}
	var err error
	if p.connection != nil {
		err = r.fillConnection(ctx, stop, p, password)
	} else {
		err = r.fillSecret(ctx, u, p, password)
	}
	if err != nil {
		return err
	}
	if err := r.e.record(Record{Unit: u.ID, Step: p.step, Phase: PhaseDone, After: State{"keyId": string(key)}}); err != nil {
		return err
	}
	r.note(u, p.step, p.title, plan.StepSecret)
	return nil
}

func (r *rollbackRun) fillConnection(ctx, stop context.Context, p place, password *Password) error {
	if err := r.e.Outside.Connections.SetPassword(ctx, *p.connection, password); err != nil {
		return fmt.Errorf("put a new password into connection %s: %w", p.connection.Name, err)
	}
	at := &plan.ConnectionStep{Organization: p.connection.Organization, Project: p.project, ID: p.connection.ID, Name: p.connection.Name}
	found, err := r.e.awaitScheme(ctx, stop, *p.connection, at, inventory.SchemeServicePrincipal)
	if err != nil {
		return err
	}
	return r.e.awaitTest(ctx, stop, found)
}

func (r *rollbackRun) fillSecret(ctx context.Context, u plan.Unit, p place, password *Password) error {
	value := password
	if p.secret.Role == "credentials" {
		value = credentialsJSON(u, password)
		defer value.Clear()
	}
	if err := r.e.Outside.Repositories.SetSecret(ctx, p.secret.Store, p.secret.Like, value); err != nil {
		return fmt.Errorf("put a new password into secret %s: %w", p.secret.Store, err)
	}
	return nil
}

// credentialsJSON is the value that azure/login's creds input takes (Azure/login README, "creds").
func credentialsJSON(u plan.Unit, password *Password) *Password {
	out := []byte(`{"clientId":` + quote(string(u.AppID)) + `,"clientSecret":"`)
	_ = password.Reveal(func(value []byte) error {
		grown := make([]byte, len(out), len(out)+2*len(value)+256) // never moved again, so that no copy of the value stays behind
		copy(grown, out)
		for _, b := range value {
			if b == '"' || b == '\\' {
				grown = append(grown, '\\')
			}
			grown = append(grown, b)
		}
		out = grown
		return nil
	})
	tail := `","tenantId":` + quote(string(u.TenantID)) + `}`
	if u.SubscriptionID != "" {
		tail = `","subscriptionId":` + quote(string(u.SubscriptionID)) + strings.TrimPrefix(tail, `"`)
	}
	return NewPassword(append(out, tail...))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// noteRestored journals that connections, passwords and secrets are back, once all of them are.
func (r *rollbackRun) noteRestored(u plan.Unit) error {
	minted := r.e.step(u.ID, mintStep).done
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepConnection && s.Phase != plan.PhaseRevoke || !p.settled() && p.intent == nil {
			continue
		}
		if s.Kind == plan.StepConnection && p.seen != nil {
			continue // converted by somebody else: not ours to undo
		}
		after := State{}
		if minted != nil {
			after["replacedBy"] = minted.After["keyId"]
		}
		if p.done != nil && p.done.After["added"] != "" {
			after["added"], after["application"], after["name"] = p.done.After["added"], p.done.After["application"], p.done.After["name"]
		}
		title := "taken back: " + s.Title
		if why := r.stays(u, s); why != "" {
			title = why
		}
		if err := r.undone(u, s.ID, title, s.Kind, after); err != nil {
			return err
		}
	}
	return nil
}
