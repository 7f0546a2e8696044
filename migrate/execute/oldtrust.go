package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// trustRemovalEffect removes one federated credential of an application.
type trustRemovalEffect struct {
	e        *Executor
	step     *plan.TrustRemovalStep
	progress stepProgress
	id       inventory.FederatedCredentialID // that was seen
}

func (t *trustRemovalEffect) look(ctx context.Context) (sight, error) {
	id, err := t.e.Outside.Directory.Application(ctx, t.step.AppID)
	if err != nil {
		return sight{}, fmt.Errorf("read application %s: %w", t.step.AppID, err)
	}
	out := sight{present: true, state: t.state(), facts: trustFacts(id)}
	for _, f := range id.FederatedCredentials {
		out.facts[plan.TrustIDField(f)], out.facts[plan.TrustAudienceField(f)] = string(f.ID), f.Audience
		if f.Name != t.step.Credential.Name && !sameTrust(f, t.step.Credential) {
			continue
		}
		out.present, t.id = false, f.ID
		if readded := readdedID(t.progress); readded != "" && readded == f.ID { // by a rollback of this program
			out.facts[plan.TrustIDField(f)] = string(t.step.Credential.ID)
		}
	}
	return out, nil
}

// readdedID is the id of the federated credential that a rollback put in the place of the one that was removed; empty: none did.
func readdedID(p stepProgress) inventory.FederatedCredentialID {
	if p.undone == nil {
		return ""
	}
	return inventory.FederatedCredentialID(p.undone.After["id"])
}

// state holds everything that a rollback needs to add it again; nothing of it is secret.
func (t *trustRemovalEffect) state() State {
	c := t.step.Credential
	return State{"kind": string(plan.StepTrustRemoval), "application": string(t.step.Application), "id": string(t.removedID()), "name": c.Name, "issuer": c.Issuer,
		"subject": c.Subject, "audience": c.Audience, "description": c.Description}
}

func (t *trustRemovalEffect) removedID() inventory.FederatedCredentialID {
	if t.id != "" {
		return t.id
	}
	if id := readdedID(t.progress); id != "" {
		return id
	}
	return t.step.Credential.ID
}

// do removes what was seen, waits out writes of others to the same application, and reads back that it is gone.
func (t *trustRemovalEffect) do(ctx, stop context.Context) (State, error) {
	what := fmt.Sprintf("remove federated credential %s", t.step.Credential.Name)
	err := t.e.pastConflicts(stop, func() error { return t.e.Outside.Directory.RemoveFederatedCredential(ctx, t.step.Application, t.id) })
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	state := t.state()
	err = t.e.poll(stop, conflictPatience, func() (bool, error) {
		seen, err := t.look(ctx)
		return seen.present, err
	})
	if errors.Is(err, errPatience) {
		return nil, fmt.Errorf("%s: it is still there, or was added again: %w", what, ErrConflict)
	}
	return state, err
}

// removedTrusts are the federated credentials that this program has removed from a unit's application, or may have.
func (r *rollbackRun) removedTrusts(u plan.Unit) []plan.Step {
	return slices.DeleteFunc(slices.Clone(u.Steps), func(s plan.Step) bool {
		p := r.e.step(u.ID, s.ID)
		return s.Kind != plan.StepTrustRemoval || p.done == nil && p.intent == nil
	})
}

// trustObstacles tell why federated credentials could not be added again.
func (r *rollbackRun) trustObstacles(u plan.Unit, id inventory.Identity) []obstacle {
	var out []obstacle
	room := subject.Limit - len(id.FederatedCredentials)
	for _, s := range r.removedTrusts(u) {
		want := s.Removal.Credential
		o := obstacle{step: s.ID, kind: s.Kind, title: "add federated credential " + want.Name + " again"}
		switch {
		case slices.ContainsFunc(id.FederatedCredentials, func(f inventory.FederatedCredential) bool { return sameTrust(f, want) }):
			continue
		case slices.ContainsFunc(id.FederatedCredentials, func(f inventory.FederatedCredential) bool { return f.Name == want.Name }):
			o.why = "another federated credential of the application has its name now"
			o.next = []string{"see who has added it; when nobody needs it, remove it and run again"}
		case room <= 0:
			o.why = fmt.Sprintf("the application has %d federated credentials, and it can have no more than %d", len(id.FederatedCredentials), subject.Limit)
			o.next = []string{fmt.Sprintf("remove one that nobody needs (az ad app federated-credential list --id %s), then run again", u.AppID)}
		default:
			room--
			continue
		}
		out = append(out, o)
	}
	return out
}

// restoreTrust adds the federated credentials again that a revoke has removed. What somebody else had removed is not this program's to add.
func (r *rollbackRun) restoreTrust(ctx, stop context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepTrustRemoval || !p.settled() && p.intent == nil {
			continue
		}
		if stop.Err() != nil {
			return stop.Err()
		}
		if p.done == nil && p.intent == nil {
			if err := r.undone(u, s.ID, "left federated credential "+s.Removal.Credential.Name+" as it is: somebody else had removed it", s.Kind, nil); err != nil {
				return err
			}
			continue
		}
		if err := r.addAgain(ctx, stop, u, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *rollbackRun) addAgain(ctx, stop context.Context, u plan.Unit, s plan.Step) error {
	want, after := s.Removal.Credential, State{"was": r.wasID(u, s), "name": s.Removal.Credential.Name}
	if other := r.forgotten(after["was"]); other != "" {
		return r.undone(u, s.ID, fmt.Sprintf("did not add federated credential %s again: unit %s, which had added it, was rolled back", want.Name, other), s.Kind, nil)
	}
	id, err := r.e.Outside.Directory.Application(ctx, u.AppID)
	if err != nil {
		return fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	if i := slices.IndexFunc(id.FederatedCredentials, func(f inventory.FederatedCredential) bool { return sameTrust(f, want) }); i >= 0 {
		after["id"] = string(id.FederatedCredentials[i].ID)
		return r.undone(u, s.ID, "federated credential "+want.Name+" is there", s.Kind, after)
	}
	again := &trustEffect{e: r.e, unit: u, step: plan.Step{ID: s.ID, FederatedCredential: &plan.FederatedCredentialStep{Application: s.Removal.Application, Credential: want}}}
	added, err := again.do(ctx, stop)
	if err != nil {
		return err
	}
	after["id"] = added["id"]
	return r.undone(u, s.ID, "added federated credential "+want.Name+" again: it can take minutes to be honoured", s.Kind, after)
}

// wasID is the id that the removed federated credential had.
func (r *rollbackRun) wasID(u plan.Unit, s plan.Step) string {
	if p := r.e.step(u.ID, s.ID); p.done != nil {
		return p.done.After["id"]
	}
	return string(s.Removal.Credential.ID)
}

// forgotten names the unit that had added a federated credential and was rolled back since, so that nothing needs it any more.
func (r *rollbackRun) forgotten(id string) string {
	if id == "" {
		return ""
	}
	return look(r.e, func(f *fold) string {
		for k, p := range f.steps {
			if f.closed[k.unit] && p.undone != nil && p.undone.After["removed"] == id {
				return k.unit
			}
		}
		return ""
	})
}

// readded gives the federated credential that a rollback of another unit put in the place of one that this program had added.
func readded(f *fold, id string) string {
	for _, k := range f.order {
		if p := f.steps[k]; id != "" && p.undone != nil && p.undone.After["was"] == id && p.undone.After["id"] != "" {
			return p.undone.After["id"]
		}
	}
	return id
}

// presentedBy are the connections of a unit that moves to Entra's issuer which present what a federated credential trusts: it stays, since they sign in with it.
func (r *rollbackRun) presentedBy(ctx context.Context, u plan.Unit) ([]string, error) {
	if u.Kind != plan.KindIssuer {
		return nil, nil
	}
	var out []string
	for _, use := range u.Connections {
		by, err := r.presents(ctx, use.Organization, use.Project, use.ID, use.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, by...)
	}
	return out, nil
}
