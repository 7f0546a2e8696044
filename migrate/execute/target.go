package execute

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// identityEffect creates one managed identity.
type identityEffect struct {
	e         *Executor
	step      *plan.IdentityStep
	announced bool
}

// look takes an identity that is there for the one that was planned only where this program announced it: what somebody else has made
// of that name may trust and do anything.
func (i *identityEffect) look(ctx context.Context) (sight, error) {
	m, err := i.e.Outside.Identities.ManagedIdentity(ctx, i.step.Resource)
	switch {
	case errors.Is(err, ErrNotFound):
		return sight{facts: State{"exists": ""}}, nil
	case err != nil:
		return sight{}, err
	}
	return sight{present: i.announced, state: i.state(m), facts: State{"exists": "true"}}, nil
}

func (i *identityEffect) state(m inventory.ManagedIdentity) State {
	return State{"kind": string(plan.StepIdentity), "resource": i.step.Resource, "clientId": string(m.ClientID), "principalId": string(m.PrincipalID)}
}

func (i *identityEffect) do(ctx, _ context.Context) (State, error) {
	m, err := i.e.Outside.Identities.CreateManagedIdentity(ctx, i.step.Resource, i.step.Location)
	if errors.Is(err, ErrForbidden) {
		err = &manualError{err: err, next: []string{"let the caller create it (Managed Identity Contributor on the resource group), or create it by hand, then run again"}}
	}
	if err != nil {
		return nil, err
	}
	return i.state(m), nil
}

// roleEffect gives a managed identity one role of the application.
type roleEffect struct {
	e         *Executor
	step      *plan.RoleStep
	principal inventory.ObjectID
}

func (r *roleEffect) look(ctx context.Context) (sight, error) {
	m, err := r.e.Outside.Identities.ManagedIdentity(ctx, r.step.Resource)
	if errors.Is(err, ErrNotFound) {
		return sight{facts: State{}}, nil
	}
	if err != nil {
		return sight{}, err
	}
	r.principal = m.PrincipalID
	held, err := r.e.Outside.Identities.RolesAt(ctx, r.step.Role.Scope, r.principal)
	if err != nil {
		return sight{}, err
	}
	for _, h := range held {
		if inventory.SameRole(h, r.step.Role) {
			return sight{present: true, state: r.state(h), facts: State{}}, nil
		}
	}
	return sight{facts: State{}}, nil
}

func (r *roleEffect) state(held inventory.RoleAssignment) State {
	return State{"kind": string(plan.StepRole), "scope": r.step.Role.Scope, "name": path.Base(held.ID), "role": r.step.Role.Role, "principal": string(r.principal)}
}

func (r *roleEffect) do(ctx, _ context.Context) (State, error) {
	if r.principal == "" {
		return nil, fmt.Errorf("managed identity %s is not there: %w", r.step.Resource, ErrNotFound)
	}
	made, err := r.e.Outside.Identities.AssignRole(ctx, r.step.Name, r.step.Role, r.principal)
	if errors.Is(err, ErrForbidden) {
		err = &manualError{err: err, next: []string{
			"let the caller assign roles at " + r.step.Role.Scope + " (Role Based Access Control Administrator), or assign the role by hand, then run again"}}
	}
	if err != nil {
		return nil, err
	}
	return r.state(made), nil
}

// rolesEffect compares; it is there when nothing is missing.
type rolesEffect struct {
	e    *Executor
	step *plan.RolesStep
}

func (r *rolesEffect) look(ctx context.Context) (sight, error) {
	missing, err := r.e.missingRoles(ctx, r.step)
	if errors.Is(err, ErrNotFound) {
		return sight{facts: State{}}, nil
	}
	if err != nil {
		return sight{}, err
	}
	return sight{present: len(missing) == 0, state: State{"kind": string(plan.StepRoles), "roles": fmt.Sprint(len(r.step.Roles))}, facts: State{}}, nil
}

func (r *rolesEffect) do(ctx, _ context.Context) (State, error) {
	missing, err := r.e.missingRoles(ctx, r.step)
	if err != nil {
		return nil, err
	}
	return nil, &manualError{err: fmt.Errorf("managed identity %s lacks what the application has: %s", path.Base(r.step.Resource), strings.Join(missing, "; ")),
		next: []string{"if somebody has given the application a new role since the scan: " + replan + ", whose plan copies it", "if somebody has taken a role from the identity, give it back, then run again"}}
}

// missingRoles are the roles of the application, those of the plan and those that it has now, that the managed identity has not.
func (e *Executor) missingRoles(ctx context.Context, step *plan.RolesStep) ([]string, error) {
	m, err := e.Outside.Identities.ManagedIdentity(ctx, step.Resource)
	if err != nil {
		return nil, err
	}
	now, err := e.Outside.Identities.RolesOf(ctx, step.From)
	if err != nil {
		return nil, fmt.Errorf("read the roles that the application has now: %w", err)
	}
	var out []string
	held := map[string][]inventory.RoleAssignment{}
	for _, want := range slices.Concat(step.Roles, now) {
		at := strings.ToLower(want.Scope)
		if _, read := held[at]; !read {
			if held[at], err = e.Outside.Identities.RolesAt(ctx, want.Scope, m.PrincipalID); err != nil {
				return nil, err
			}
		}
		text := want.Role + " of " + want.Scope
		if !slices.ContainsFunc(held[at], func(h inventory.RoleAssignment) bool { return inventory.SameRole(h, want) }) && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out, nil
}

// proveTarget sees that a managed identity can still do all that the application can: without its roles a sign-in is worth nothing.
func (e *Executor) proveTarget(ctx context.Context, u plan.Unit, p *proof) {
	for _, s := range u.Steps {
		if s.Kind != plan.StepRoles {
			continue
		}
		missing, err := e.missingRoles(ctx, s.Roles)
		if err != nil {
			p.err = err
			return
		}
		for _, m := range missing {
			p.world = append(p.world, "managed identity "+u.Target.Name+" is not "+m)
		}
	}
}

// removeTarget takes back what was made of a managed identity: the roles that the program assigned, and the identity itself, if the
// program created it and nothing else uses it.
func (r *rollbackRun) removeTarget(ctx context.Context, u plan.Unit) error {
	if u.Target == nil {
		return nil
	}
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepRole || p.done == nil && p.intent == nil {
			continue
		}
		name := s.Role.Name
		if p.done != nil {
			name = p.done.After["name"]
		}
		err := r.e.Outside.Identities.RemoveRole(ctx, s.Role.Role.Scope, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := r.undone(u, s.ID, fmt.Sprintf("took %s of %s from managed identity %s", s.Role.Role.Role, s.Role.Role.Scope, u.Target.Name), s.Kind, nil); err != nil {
			return err
		}
	}
	for _, s := range u.Steps {
		if s.Kind == plan.StepIdentity {
			return r.removeIdentity(ctx, u, s)
		}
	}
	return nil
}

func (r *rollbackRun) removeIdentity(ctx context.Context, u plan.Unit, s plan.Step) error {
	if p := r.e.step(u.ID, s.ID); p.done == nil && p.intent == nil {
		return nil
	}
	use, err := r.usesOf(ctx, s.Identity.Resource)
	if err != nil {
		return err
	}
	if len(use) > 0 {
		return r.undone(u, s.ID, fmt.Sprintf("kept managed identity %s: %s", u.Target.Name, strings.Join(use, "; ")), s.Kind, State{"kept": "true"})
	}
	err = r.e.Outside.Identities.DeleteManagedIdentity(ctx, s.Identity.Resource)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return r.undone(u, s.ID, "deleted managed identity "+u.Target.Name, s.Kind, nil)
}

// usesOf tells what else uses a managed identity. Its own federated credentials and roles are gone by now, so that whatever is left is not ours.
// Resource Graph may still show a role that was removed a moment ago: each is looked at itself.
func (r *rollbackRun) usesOf(ctx context.Context, resource string) ([]string, error) {
	m, err := r.e.Outside.Identities.ManagedIdentity(ctx, resource)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range m.FederatedCredentials {
		out = append(out, "it trusts "+f.Subject)
	}
	attached, err := r.e.Outside.Identities.Attached(ctx, resource)
	if err != nil {
		return nil, err
	}
	for _, a := range attached {
		out = append(out, a+" runs with it")
	}
	roles, err := r.e.Outside.Identities.RolesOf(ctx, m.PrincipalID)
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		there, err := r.e.Outside.Identities.RolesAt(ctx, role.Scope, m.PrincipalID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(there, func(x inventory.RoleAssignment) bool { return inventory.SameRole(x, role) }) {
			out = append(out, "it is "+role.Role+" of "+role.Scope)
		}
	}
	return out, nil
}
