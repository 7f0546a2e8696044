package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// trustEffect adds one federated credential.
type trustEffect struct {
	e    *Executor
	unit plan.Unit
	step plan.Step
}

// want is what is to be trusted; of a connection that is made first that is known when it is there.
func (t *trustEffect) want(ctx context.Context) (inventory.FederatedCredential, error) {
	want := t.step.FederatedCredential.Credential
	p := t.step.FederatedCredential.Replacement
	if p == nil {
		return want, nil
	}
	c, err := t.e.replacementOf(ctx, t.unit.ID, p)
	if err != nil {
		return want, fmt.Errorf("read what connection %s presents: %w", p.NewName, err)
	}
	want.Issuer, want.Subject = c.Issuer, c.Subject
	return want, nil
}

func (t *trustEffect) look(ctx context.Context) (sight, error) {
	found, facts, err := t.e.trustee(t.unit).credentials(ctx)
	if err != nil {
		return sight{}, err
	}
	out := sight{facts: facts}
	want, err := t.want(ctx)
	if t.step.FederatedCredential.Replacement != nil {
		if errors.Is(err, ErrNotFound) {
			return out, nil
		}
		facts["issuer"], facts["subject"] = want.Issuer, want.Subject // for a rollback, should this be all that is known
	}
	if err != nil {
		return sight{}, err
	}
	for _, f := range found {
		if sameTrust(f, want) {
			out.present, out.state = true, t.state(f)
		}
	}
	return out, nil
}

// trustFacts are what a precondition can say of an application.
func trustFacts(id inventory.Identity) State {
	facts := State{"appId": string(id.AppID), "objectId": string(id.ObjectID)}
	for _, f := range id.FederatedCredentials {
		facts[plan.TrustField(f)] = plan.TrustFact(f)
	}
	return facts
}

// sameTrust tells whether two federated credentials trust the same tokens, byte for byte, as Entra compares them.
func sameTrust(a, b inventory.FederatedCredential) bool {
	return a.Issuer == b.Issuer && a.Subject == b.Subject && a.Expression == b.Expression && a.Audience == b.Audience
}

func (t *trustEffect) state(f inventory.FederatedCredential) State {
	s := State{"kind": string(plan.StepFederatedCredential), "application": string(t.step.FederatedCredential.Application),
		"id": string(f.ID), "name": f.Name, "issuer": f.Issuer, "subject": f.Subject + f.Expression}
	if resource := t.step.FederatedCredential.Identity; resource != "" {
		delete(s, "application")
		s["identity"] = resource
	}
	return s
}

// conflictPatience is how long Entra's "concurrent requests" conflicts are waited out: they come of writes to one
// application in quick succession (nais/azurerator#448).
const conflictPatience = time.Minute

// pastConflicts writes again while a write meets those of others to the same object, and gives the error of the last time.
func (e *Executor) pastConflicts(ctx context.Context, write func() error) error {
	var last error
	err := e.poll(ctx, conflictPatience, func() (bool, error) {
		last = write()
		return !errors.Is(last, ErrConflict), nil
	})
	if err == nil || errors.Is(err, errPatience) {
		return last
	}
	return err
}

func (t *trustEffect) do(ctx, stop context.Context) (State, error) {
	want, err := t.want(ctx)
	if err != nil {
		return nil, err
	}
	var added inventory.FederatedCredential
	err = t.e.poll(stop, conflictPatience, func() (bool, error) {
		var err error
		added, err = t.e.trustee(t.unit).add(ctx, want)
		if !errors.Is(err, ErrConflict) {
			return true, err
		}
		seen, lookErr := t.look(ctx)
		if lookErr == nil && seen.present {
			added.ID, added.Name = inventory.FederatedCredentialID(seen.state["id"]), seen.state["name"]
			added.Issuer, added.Subject, added.Expression = want.Issuer, want.Subject, want.Expression
			return true, nil
		}
		return false, lookErr
	})
	switch {
	case errors.Is(err, errPatience):
		return nil, fmt.Errorf("add federated credential %s to %s: its name is taken by another one, or other writes to the application keep colliding: %w", want.Name, t.unit.Title, ErrConflict)
	case errors.Is(err, ErrLimit):
		return nil, &manualError{err: fmt.Errorf("add federated credential to %s: %w", t.unit.Title, err),
			next: []string{"remove federated credentials that nobody needs, or split the unit over two applications, then run again"}}
	case err != nil:
		return nil, fmt.Errorf("add federated credential %s to %s: %w", want.Name, t.unit.Title, err)
	}
	return t.state(added), nil
}

// variableEffect writes one id into a variable, or into a secret where the configuration says so.
type variableEffect struct {
	e    *Executor
	id   string
	step *plan.VariableStep
	want string // its value, once it is known
}

// value is what the variable is to hold: the client id of a managed identity is known when that is there.
func (v *variableEffect) value(ctx context.Context) error {
	v.want = v.step.Value
	if v.step.Identity == "" {
		return nil
	}
	m, err := v.e.Outside.Identities.ManagedIdentity(ctx, v.step.Identity)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	v.want = string(m.ClientID)
	return nil
}

func (v *variableEffect) state() State {
	kind := "variable"
	if v.step.AsSecret {
		kind = "idSecret"
	}
	return State{"kind": kind, "store": writeJSON(v.step.Store), "value": v.want}
}

func (v *variableEffect) look(ctx context.Context) (sight, error) {
	if err := v.value(ctx); err != nil {
		return sight{}, err
	}
	if v.step.AsSecret {
		return v.lookSecret(ctx)
	}
	value, err := v.e.Outside.Repositories.Variable(ctx, v.step.Store)
	switch {
	case errors.Is(err, ErrNotFound):
		return sight{facts: State{"value": ""}}, nil
	case err != nil:
		return sight{}, fmt.Errorf("read variable %s: %w", v.step.Store, err)
	}
	return sight{present: value == v.want && v.want != "", state: v.state(), facts: State{"value": value}}, nil
}

// lookSecret cannot see whether the value is right: a secret that is there is ours only if we announced it, and then it is
// written again.
func (v *variableEffect) lookSecret(ctx context.Context) (sight, error) {
	_, err := v.e.Outside.Repositories.Secret(ctx, v.step.Store)
	switch {
	case errors.Is(err, ErrNotFound):
		return sight{facts: State{"value": ""}}, nil
	case err != nil:
		return sight{}, fmt.Errorf("read secret %s: %w", v.step.Store, err)
	}
	switch other := v.another(); {
	case other.done != nil:
		return sight{present: true, state: v.state(), facts: State{"value": v.want}}, nil
	case other.intent != nil:
		return sight{facts: State{"value": ""}}, nil
	}
	return sight{facts: State{"value": "a secret that was not there"}}, nil
}

// another is what another unit has done, or begun, with the same store and value: an id that several units share.
func (v *variableEffect) another() stepProgress {
	return look(v.e, func(f *fold) stepProgress {
		var found stepProgress
		for k, p := range f.steps {
			if k.step != v.id {
				continue
			}
			if p.done != nil && p.done.After["value"] == v.want {
				return *p
			}
			if p.intent != nil {
				found = *p
			}
		}
		return found
	})
}

func (v *variableEffect) do(ctx, _ context.Context) (State, error) {
	if v.want == "" {
		return nil, fmt.Errorf("set %s: the managed identity %s whose client id it holds is not there: %w", v.step.Store, v.step.Identity, ErrNotFound)
	}
	if v.step.AsSecret {
		value := NewPassword([]byte(v.want))
		defer value.Clear()
		if err := v.e.Outside.Repositories.SetSecret(ctx, v.step.Store, inventory.Secret{}, value); err != nil {
			return nil, fmt.Errorf("set secret %s: %w", v.step.Store, err)
		}
		return v.state(), nil
	}
	err := v.e.Outside.Repositories.SetVariable(ctx, v.step.Store, v.want)
	if errors.Is(err, ErrConflict) {
		// Another unit that shares the variable has made it at the same moment.
		if seen, lookErr := v.look(ctx); lookErr == nil && seen.present {
			return v.state(), nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("set variable %s: %w", v.step.Store, err)
	}
	return v.state(), nil
}

// credentialEffect removes one password for good.
type credentialEffect struct {
	e    *Executor
	step *plan.CredentialStep
}

func (c *credentialEffect) look(ctx context.Context) (sight, error) {
	id, err := c.e.Outside.Directory.Application(ctx, c.step.AppID)
	if err != nil {
		return sight{}, fmt.Errorf("read application %s: %w", c.step.AppID, err)
	}
	for _, k := range id.Credentials {
		if k.KeyID == c.step.KeyID {
			return sight{facts: trustFacts(id)}, nil
		}
	}
	return sight{present: true, state: c.state(), facts: trustFacts(id)}, nil
}

func (c *credentialEffect) state() State {
	return State{"kind": string(plan.StepCredential), "application": string(c.step.Application), "keyId": string(c.step.KeyID)}
}

func (c *credentialEffect) do(ctx, _ context.Context) (State, error) {
	err := c.e.Outside.Directory.RemovePassword(ctx, c.step.Application, c.step.KeyID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("remove password %s: %w", c.step.KeyID, err)
	}
	return c.state(), nil
}

// secretEffect deletes one GitHub secret.
type secretEffect struct {
	e    *Executor
	step *plan.SecretStep
}

func (s *secretEffect) look(ctx context.Context) (sight, error) {
	found, err := s.e.Outside.Repositories.Secret(ctx, s.step.Store)
	switch {
	case errors.Is(err, ErrNotFound):
		return sight{present: true, state: s.state(), facts: State{"updatedAt": ""}}, nil
	case err != nil:
		return sight{}, fmt.Errorf("read secret %s: %w", s.step.Store, err)
	}
	return sight{facts: State{"updatedAt": found.UpdatedAt.UTC().Format(time.RFC3339)}}, nil
}

// state holds what a rollback needs to write the secret again.
func (s *secretEffect) state() State {
	return State{"kind": string(plan.StepSecret), "store": writeJSON(s.step.Store), "like": writeJSON(s.step.Like), "role": s.step.Role}
}

func (s *secretEffect) do(ctx, _ context.Context) (State, error) {
	err := s.e.Outside.Repositories.DeleteSecret(ctx, s.step.Store)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("delete secret %s: %w", s.step.Store, err)
	}
	return s.state(), nil
}
