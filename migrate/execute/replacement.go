package execute

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Access is what decides who and what may use a connection in one project. The settings of checks can hold what is not to be told: they go from one connection to
// another, and nowhere else.
type Access struct {
	AllPipelines bool
	Pipelines    []int // ids of build definitions
	Checks       []AccessCheck
	Roles        []AccessRole // that are assigned on the connection itself
	Inherits     bool         // the roles of the project hold, too
}

// AccessCheck is an approval or another check.
type AccessCheck struct {
	TypeID, Type string
	Settings     string // JSON, in one form for equal content
	Timeout      int    // minutes
	Disabled     bool
}

// AccessRole is a role of a user or group.
type AccessRole struct{ Identity, Name, Role string }

// gap is what a connection has not of what another one has.
type gap struct {
	add   Access
	alone bool     // the roles of the project must not hold for it
	other []string // checks of the same type, whose settings are others: one more would not make it right
}

// lacks compares what a connection has with what it is to have.
func (a Access) lacks(have Access) gap {
	var g gap
	missing := &g.add
	missing.AllPipelines = a.AllPipelines && !have.AllPipelines
	for _, id := range a.Pipelines {
		if !slices.Contains(have.Pipelines, id) {
			missing.Pipelines = append(missing.Pipelines, id)
		}
	}
	left, unequal := slices.Clone(have.Checks), []AccessCheck{}
	for _, c := range a.Checks {
		if i := slices.Index(left, c); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		unequal = append(unequal, c)
	}
	for _, c := range unequal {
		if i := slices.IndexFunc(left, func(h AccessCheck) bool { return strings.EqualFold(h.TypeID, c.TypeID) && h.Type == c.Type }); i >= 0 {
			left, g.other = slices.Delete(left, i, i+1), append(g.other, "the settings of check "+c.Type)
			continue
		}
		missing.Checks = append(missing.Checks, c)
	}
	missing.Roles = lackedRoles(a.Roles, have.Roles)
	g.alone = have.Inherits && !a.Inherits
	return g
}

// lackedRoles are the roles that are to be there and are not.
func lackedRoles(want, have []AccessRole) []AccessRole {
	var out []AccessRole
	for _, r := range want {
		if !slices.ContainsFunc(have, func(h AccessRole) bool { return strings.EqualFold(h.Identity, r.Identity) && h.Role == r.Role }) {
			out = append(out, r)
		}
	}
	return out
}

// text names what is missing.
func (g gap) text() []string {
	a, out := g.add, slices.Clone(g.other)
	if g.alone {
		out = append(out, "that the project's roles do not hold")
	}
	if a.AllPipelines {
		out = append(out, "the permission of all pipelines")
	}
	for _, id := range a.Pipelines {
		out = append(out, fmt.Sprintf("the permission of pipeline %d", id))
	}
	for _, c := range a.Checks {
		out = append(out, "check "+c.Type)
	}
	return append(out, accessRoleNames(a.Roles)...)
}

func accessRoleNames(roles []AccessRole) []string {
	out := make([]string, 0, len(roles))
	for _, r := range roles {
		out = append(out, "role "+r.Role+" of "+cmp.Or(r.Name, r.Identity))
	}
	return out
}

// replacementOf finds the connection that a unit's step made in place of another one: by its id, or where only the announcement is known by its name and the mark in its
// description. What else has that name is somebody else's: it would be let sign in as what the unit signs in as.
func (e *Executor) replacementOf(ctx context.Context, unit string, p *plan.ReplacementStep) (inventory.Connection, error) {
	progress := e.step(unit, string(plan.StepReplacement)+"/"+string(p.ID))
	if progress.done != nil {
		return e.Outside.Connections.Connection(ctx, p.Organization, p.Project, inventory.ConnectionID(progress.done.After["id"]))
	}
	none := fmt.Errorf("connection %s was not made in place of %s: %w", p.NewName, p.Name, ErrNotFound)
	if progress.intent == nil {
		return inventory.Connection{}, none
	}
	c, err := e.Outside.Connections.Named(ctx, p.Organization, p.Project, p.NewName)
	if err != nil {
		return c, err
	}
	if !marked(c, p, progress.intent.Before["mark"], announcedClient(p, progress.intent)) {
		return c, none
	}
	return c, nil
}

// marked tells whether a connection is the one that was announced with a mark and the client id that it was to sign in as.
func marked(c inventory.Connection, p *plan.ReplacementStep, mark, client string) bool {
	return mark != "" && c.Mark == mark && c.Replaces == p.ID && client != "" && strings.EqualFold(string(c.AppID), client)
}

// announcedClient is the client id that a connection was announced with: that of a managed identity is in the journal, since a later one of the same name has another.
func announcedClient(p *plan.ReplacementStep, intent *Record) string {
	if p.Identity != "" && intent != nil {
		return intent.Before[plan.FactClient]
	}
	return string(p.AppID)
}

// clientOf is what a new connection is to sign in as: the application, or a managed identity as it is now. ErrNotFound: that is not there.
func (e *Executor) clientOf(ctx context.Context, p *plan.ReplacementStep) (inventory.AppID, error) {
	if p.Identity == "" {
		return p.AppID, nil
	}
	m, err := e.Outside.Identities.ManagedIdentity(ctx, p.Identity)
	if err != nil {
		return "", fmt.Errorf("read what connection %s signs in as: %w", p.NewName, err)
	}
	return inventory.AppID(strings.ToLower(string(m.ClientID))), nil
}

// newMark makes a mark that nobody can know before.
func newMark() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

func (e *Executor) replacedConnection(ctx context.Context, p *plan.ReplacementStep) (inventory.Connection, error) {
	c, err := e.Outside.Connections.Connection(ctx, p.Organization, p.Project, p.ID)
	if err != nil {
		return c, fmt.Errorf("read connection %s: %w", p.Name, err)
	}
	return c, nil
}

// replacementEffect makes one connection in place of another one.
type replacementEffect struct {
	e        *Executor
	unit     string
	step     *plan.ReplacementStep
	progress stepProgress
	mark     string
}

func (r *replacementEffect) look(ctx context.Context) (sight, error) {
	old, err := r.e.replacedConnection(ctx, r.step)
	if err != nil {
		return sight{}, err
	}
	out := sight{facts: plan.ConnectionFacts(old)}
	if r.mark == "" && r.progress.intent != nil {
		r.mark = r.progress.intent.Before["mark"]
	}
	if r.mark == "" {
		r.mark = newMark()
	}
	out.facts["mark"] = r.mark
	client, err := r.e.clientOf(ctx, r.step)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return sight{}, err
	}
	if r.step.Identity != "" {
		out.facts[plan.FactClient] = string(client)
	}
	mine := cmp.Or(string(client), announcedClient(r.step, r.progress.intent)) // an identity that is gone does not make the connection somebody else's
	for _, q := range r.step.Projects {
		taken, err := r.e.Outside.Connections.Named(ctx, r.step.Organization, q.ID, q.As)
		switch {
		case errors.Is(err, ErrNotFound):
			out.facts[plan.NameField(q)] = ""
		case err != nil:
			return sight{}, err
		case marked(taken, r.step, r.mark, mine):
			out.facts[plan.NameField(q)], out.begun = "", true
			if q.ID == r.step.Project {
				out.present, out.state = usable(taken) && len(r.unshared(taken)) == 0, r.state(taken)
			}
		default:
			out.facts[plan.NameField(q)] = string(taken.ID)
		}
	}
	return out, nil
}

// usable tells that a new connection is ready, and says what it presents.
func usable(c inventory.Connection) bool { return converted(c) && c.Issuer != "" && c.Subject != "" }

// unshared are the projects that do not have the connection yet.
func (r *replacementEffect) unshared(c inventory.Connection) []inventory.ConnectionProject {
	return slices.DeleteFunc(slices.Clone(r.step.Projects), func(q inventory.ConnectionProject) bool {
		return slices.ContainsFunc(c.Projects, func(have inventory.ConnectionProject) bool { return have.ID == q.ID })
	})
}

func (r *replacementEffect) state(c inventory.Connection) State {
	return State{"kind": string(plan.StepReplacement), "organization": r.step.Organization, "project": string(r.step.Project), "id": string(c.ID), "name": r.step.NewName,
		"replaces": string(r.step.ID), "issuer": c.Issuer, "subject": c.Subject, plan.FactClient: string(c.AppID)}
}

// setting is what of the configuration has a new connection made.
func (r *replacementEffect) setting() string {
	if r.step.Identity != "" {
		return "connections.identity"
	}
	return "connections.registry"
}

// do makes what is missing of the connection: it may have been made already, and not be shared or ready yet.
func (r *replacementEffect) do(ctx, stop context.Context) (State, error) {
	c, err := r.e.replacementOf(ctx, r.unit, r.step)
	if errors.Is(err, ErrNotFound) {
		c, err = r.make(ctx)
	}
	if err != nil {
		return nil, err
	}
	description := inventory.ReplacementDescription(r.step.ID, r.mark)
	if missing := r.unshared(c); len(missing) > 0 {
		if err := r.e.Outside.Connections.Share(ctx, c, missing, description); err != nil {
			return nil, fmt.Errorf("share connection %s with %s: %w", r.step.NewName, missing[0].Name, err)
		}
	}
	err = r.e.poll(stop, r.e.conversion(), func() (bool, error) {
		now, err := r.e.replacementOf(ctx, r.unit, r.step)
		if err != nil {
			return false, err
		}
		c = now
		if strings.EqualFold(c.State, "Failed") {
			return false, &manualError{err: fmt.Errorf("make connection %s: Azure DevOps says: %s: %w", r.step.NewName, c.StateMessage, ErrRefused),
				next: []string{"correct what its message names, " + again, "or delete it (Project settings, Service connections, " + r.step.NewName + "), and plan again with " + r.setting() + ": report"}}
		}
		return usable(c) && len(r.unshared(c)) == 0, nil
	})
	if errors.Is(err, errPatience) {
		return nil, fmt.Errorf("make connection %s: it is still not ready after %s (state %q %s): %w", r.step.NewName, r.e.conversion(), c.State, c.StateMessage, ErrUnknownOutcome)
	}
	if err != nil {
		return nil, err
	}
	return r.state(c), nil
}

func (r *replacementEffect) make(ctx context.Context) (inventory.Connection, error) {
	old, err := r.e.replacedConnection(ctx, r.step)
	if err != nil {
		return old, err
	}
	client, err := r.e.clientOf(ctx, r.step)
	if err != nil {
		return old, err
	}
	old.TenantID = cmp.Or(old.TenantID, r.step.TenantID)
	c, err := r.e.Outside.Connections.Recreate(ctx, old, client, r.step.NewName, inventory.ReplacementDescription(r.step.ID, r.mark))
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, ErrConflict), errors.Is(err, ErrUnknownOutcome):
		if found, findErr := r.e.replacementOf(ctx, r.unit, r.step); findErr == nil {
			return found, nil
		}
	case errors.Is(err, ErrRefused):
		return c, &manualError{err: err, next: []string{"the service makes no such connection, and nothing was changed: set " + r.setting() + ": report and plan again, which lists how it is done by hand"}}
	}
	if errors.Is(err, ErrConflict) {
		err = &manualError{err: err, next: []string{"another connection has that name, which the caller may not see: set connections.recreateSuffix to another ending, then plan again"}}
	}
	return c, err
}

// accessEffect lets all who may use the old connection use the new one, under the same checks.
type accessEffect struct {
	e    *Executor
	unit string
	step *plan.ReplacementStep
}

func (a *accessEffect) look(ctx context.Context) (sight, error) {
	c, err := a.e.replacementOf(ctx, a.unit, a.step)
	if errors.Is(err, ErrNotFound) {
		return sight{facts: State{}}, nil
	}
	if err != nil {
		return sight{}, err
	}
	missing, err := a.e.missingAccess(ctx, a.step, c)
	if err != nil {
		return sight{}, err
	}
	wide, err := a.e.organizationWide(ctx, a.step, c)
	if err != nil {
		return sight{}, err
	}
	out := sight{facts: State{}, state: a.state(c, wide)}
	if len(missing) == 0 && len(wide.lacks) == 0 {
		ok, _, _, err := a.e.tested(ctx, c)
		if err != nil {
			return sight{}, err
		}
		out.present = ok
	}
	return out, nil
}

func (a *accessEffect) state(c inventory.Connection, w wideRoles) State {
	s := State{"kind": string(plan.StepAccess), "id": string(c.ID), "name": a.step.NewName, "organization": a.step.Organization}
	if w.left != "" {
		s["organizationRoles"], s["replacedName"] = w.left, a.step.Name
	}
	return s
}

func (a *accessEffect) do(ctx, stop context.Context) (State, error) {
	c, err := a.e.replacementOf(ctx, a.unit, a.step)
	if err != nil {
		return nil, err
	}
	var missing []string
	var wide wideRoles
	for range 3 {
		for _, q := range a.step.Projects {
			if err := a.grant(ctx, c, q); err != nil && !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrConflict) {
				return nil, err
			}
		}
		if missing, err = a.e.missingAccess(ctx, a.step, c); err != nil {
			return nil, err
		}
		if wide, err = a.grantInOrganization(ctx, c); err != nil {
			return nil, err
		}
		if len(missing) == 0 && len(wide.lacks) == 0 {
			return a.state(c, wide), a.e.awaitTest(ctx, stop, c)
		}
	}
	for _, text := range accessRoleNames(wide.lacks) {
		missing = append(missing, text+" in the organisation")
	}
	return nil, &manualError{err: fmt.Errorf("connection %s still lacks what %s has: %s", a.step.NewName, a.step.Name, strings.Join(missing, "; ")),
		next: []string{"add it by hand (Project settings, Service connections, " + a.step.NewName + ", Security, or Approvals and checks), " + again}}
}

// grant gives the new connection in one project what it lacks.
func (a *accessEffect) grant(ctx context.Context, c inventory.Connection, q inventory.ConnectionProject) error {
	g, err := a.e.accessIn(ctx, a.step, c, q)
	if err != nil || len(g.text()) == len(g.other) {
		return err
	}
	if err := a.e.Outside.Connections.Grant(ctx, c, q, g.add, g.alone); err != nil {
		return fmt.Errorf("give connection %s in project %s what %s has: %w", a.step.NewName, q.Name, a.step.Name, err)
	}
	return nil
}

// wideRoles is how the roles of a new connection in the whole organisation stand against those of the old one.
type wideRoles struct {
	lacks []AccessRole
	left  string // why a person has to compare them, or to give them; empty: nobody has to
}

// organizationWide compares the roles of both connections in the whole organisation. That they exist is documented (Microsoft Learn: Configure service connection security,
// "User permissions"), but not how a program reads them: where the service does not tell it, or names nobody on either connection, although whoever makes a connection gets a
// role on it, a person compares them. No pipeline needs these roles, so nothing waits for that.
func (e *Executor) organizationWide(ctx context.Context, p *plan.ReplacementStep, c inventory.Connection) (wideRoles, error) {
	want, err := e.Outside.Connections.OrganizationRoles(ctx, p.Organization, p.ID)
	var have []AccessRole
	if err == nil {
		have, err = e.Outside.Connections.OrganizationRoles(ctx, p.Organization, c.ID)
	}
	switch {
	case withheld(err):
		return wideRoles{left: "they could not be read: " + err.Error()}, nil
	case err != nil:
		return wideRoles{}, fmt.Errorf("read who has a role on connection %s in the organisation: %w", p.Name, err)
	case len(want) == 0 && len(have) == 0:
		return wideRoles{left: "Azure DevOps tells of none, not even of whoever made " + p.NewName}, nil
	}
	return wideRoles{lacks: lackedRoles(want, have)}, nil
}

// withheld tells that a service does not let the caller do something, whose sign-in it accepts.
func withheld(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused) || errors.Is(err, ErrForbidden) && !errors.Is(err, ErrUnauthenticated)
}

// grantInOrganization gives the new connection the roles in the whole organisation that it lacks, and tells what then is still to be done.
func (a *accessEffect) grantInOrganization(ctx context.Context, c inventory.Connection) (wideRoles, error) {
	w, err := a.e.organizationWide(ctx, a.step, c)
	if err != nil || len(w.lacks) == 0 {
		return w, err
	}
	err = a.e.Outside.Connections.GrantInOrganization(ctx, c, w.lacks)
	switch {
	case withheld(err):
		return wideRoles{left: strings.Join(accessRoleNames(w.lacks), "; ") + " could not be given: " + err.Error()}, nil
	case err != nil && !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrConflict):
		return w, fmt.Errorf("give connection %s the roles that %s has in the organisation: %w", a.step.NewName, a.step.Name, err)
	}
	return a.e.organizationWide(ctx, a.step, c)
}

// leftRoles says what a person does about roles in the whole organisation that could not be copied.
func leftRoles(p stepProgress) string {
	if p.done == nil || p.done.After["organizationRoles"] == "" {
		return ""
	}
	s := p.done.After
	return fmt.Sprintf("its roles in the whole organisation are left to a person (%s): give %s those that %s has (Project settings, Service connections, the connection, Security, User permissions, Organization); no pipeline waits for them",
		s["organizationRoles"], s["name"], s["replacedName"])
}

// accessIn compares both connections in one project.
func (e *Executor) accessIn(ctx context.Context, p *plan.ReplacementStep, c inventory.Connection, q inventory.ConnectionProject) (gap, error) {
	want, err := e.Outside.Connections.Access(ctx, p.Organization, q.ID, p.ID)
	if err != nil {
		return gap{}, fmt.Errorf("read who may use connection %s in project %s: %w", p.Name, q.Name, err)
	}
	have, err := e.Outside.Connections.Access(ctx, p.Organization, q.ID, c.ID)
	if err != nil {
		return gap{}, fmt.Errorf("read who may use connection %s in project %s: %w", p.NewName, q.Name, err)
	}
	return want.lacks(have), nil
}

// missingAccess names what the new connection lacks, in all projects.
func (e *Executor) missingAccess(ctx context.Context, p *plan.ReplacementStep, c inventory.Connection) ([]string, error) {
	var out []string
	for _, q := range p.Projects {
		g, err := e.accessIn(ctx, p, c, q)
		if err != nil {
			return nil, err
		}
		for _, text := range g.text() {
			out = append(out, text+" in project "+q.Name)
		}
	}
	return out, nil
}

// tested asks a connection to sign in. Nothing public says that connections to registries have such a test: known is then false, and ok true.
func (e *Executor) tested(ctx context.Context, c inventory.Connection) (ok bool, message string, known bool, err error) {
	ok, message, err = e.Outside.Connections.Test(ctx, c)
	if errors.Is(err, ErrRefused) && !strings.EqualFold(c.Type, "azurerm") {
		return true, "", false, nil
	}
	return ok, message, true, err
}

// disableEffect disables a connection that another one has replaced.
type disableEffect struct {
	e    *Executor
	step *plan.ReplacementStep
}

func (d *disableEffect) look(ctx context.Context) (sight, error) {
	c, err := d.e.replacedConnection(ctx, d.step)
	if errors.Is(err, ErrNotFound) {
		return sight{present: true, state: d.state(true), facts: State{}}, nil // deleted by a person
	}
	if err != nil {
		return sight{}, err
	}
	return sight{present: c.Disabled, state: d.state(true), facts: State{"scheme": c.Scheme}}, nil
}

func (d *disableEffect) state(disabled bool) State {
	s := State{"kind": string(plan.StepDisable), "id": string(d.step.ID), "name": d.step.Name}
	switch {
	case disabled:
	case d.step.Automatic:
		s["left"] = leftAutomatic
	default:
		s["left"] = "true"
	}
	return s
}

// leftAutomatic marks a connection that was not touched, since its application would get a new secret.
const leftAutomatic = "automatic"

// do disables the connection. That an update may do so is described, but not that it always does: where it is not disabled afterwards, that is left to a person. So is one
// whose application Azure DevOps made: what is saved of it gets a new secret, which would undo the revoke (Microsoft Learn: Troubleshoot Azure Resource Manager service
// connections).
func (d *disableEffect) do(ctx, _ context.Context) (State, error) {
	c, err := d.e.replacedConnection(ctx, d.step)
	if err != nil {
		return nil, err
	}
	if d.step.Automatic {
		return d.state(c.Disabled), nil
	}
	err = d.e.Outside.Connections.SetDisabled(ctx, c, true)
	if err != nil && !errors.Is(err, ErrRefused) {
		return nil, fmt.Errorf("disable connection %s: %w", d.step.Name, err)
	}
	if c, err = d.e.replacedConnection(ctx, d.step); err != nil {
		return nil, err
	}
	return d.state(c.Disabled), nil
}

// leftEnabled says what a person does about a replaced connection that could not be disabled.
func leftEnabled(p stepProgress) string {
	if p.done == nil || p.done.After["left"] == "" {
		return ""
	}
	why, then := "Azure DevOps did not disable it", ""
	if p.done.After["left"] == leftAutomatic {
		why = "it was left as it is, since Azure DevOps gives an automatic connection a new secret when it is saved"
		then = " and see that its application has no new secret afterwards,"
	}
	return why + ", and its credential is gone: disable it by hand (Project settings, Service connections, " + p.done.After["name"] + ")," + then + " or delete it when no rollback is wanted any more"
}

// proveReplacement sees that the new connection signs in, and that whoever may use the old one may use it.
func (e *Executor) proveReplacement(ctx context.Context, unit string, s plan.Step, p *proof) (inventory.Connection, error) {
	c, err := e.replacementOf(ctx, unit, s.Replacement)
	if errors.Is(err, ErrNotFound) {
		p.world = append(p.world, "connection "+s.Replacement.NewName+", which was made in place of "+s.Replacement.Name+", is gone")
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if !usable(c) {
		p.world = append(p.world, fmt.Sprintf("connection %s is not ready, or uses scheme %s", s.Replacement.NewName, c.Scheme))
		return c, nil
	}
	switch client, err := e.clientOf(ctx, s.Replacement); {
	case errors.Is(err, ErrNotFound):
		p.world = append(p.world, "what connection "+s.Replacement.NewName+" signs in as is gone: "+s.Replacement.Identity)
		return c, nil
	case err != nil:
		return c, err
	case !strings.EqualFold(string(c.AppID), string(client)):
		p.world = append(p.world, fmt.Sprintf("connection %s signs in as %s, and was made to sign in as %s", s.Replacement.NewName, c.AppID, client))
		return c, nil
	}
	ok, message, known, err := e.tested(ctx, c)
	if err != nil {
		return c, fmt.Errorf("test connection %s: %w", c.Name, err)
	}
	if !ok {
		p.refused(c, message)
	}
	if !known {
		return c, e.proveByUse(ctx, s, c, p)
	}
	return c, nil
}

// proveByUse looks for a run that has used a connection which cannot test itself.
func (e *Executor) proveByUse(ctx context.Context, s plan.Step, c inventory.Connection, p *proof) error {
	uses, err := e.Outside.Connections.Uses(ctx, c, time.Time{})
	if err != nil {
		return fmt.Errorf("read the uses of connection %s: %w", c.Name, err)
	}
	if slices.ContainsFunc(uses, func(u inventory.Execution) bool { return strings.HasPrefix(strings.ToLower(u.Result), "succeeded") }) {
		return nil
	}
	p.waiting = append(p.waiting, Gate{Name: GateVerified, Reason: fmt.Sprintf("connection %s cannot test itself, and no run with it has succeeded yet", c.Name),
		Next: []string{"run a pipeline that names it, such as those that named " + s.Replacement.Name + ", or wait for its next run"}})
	return nil
}

// replacedGate holds a revoke while a run has used a connection that was replaced, within the last soak time: something still names it.
func (e *Executor) replacedGate(ctx context.Context, u plan.Unit, moved time.Time) (*Gate, error) {
	for _, s := range u.Steps {
		if s.Kind != plan.StepReplacement {
			continue
		}
		old, err := e.replacedConnection(ctx, s.Replacement)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		uses, err := e.Outside.Connections.Uses(ctx, old, moved)
		if err != nil {
			return nil, fmt.Errorf("read the uses of connection %s: %w", s.Replacement.Name, err)
		}
		var last inventory.Execution
		for _, use := range uses {
			if use.Finished.After(last.Finished) {
				last = use
			}
		}
		if until := last.Finished.Add(time.Duration(e.soak(u).Time)); !last.Finished.IsZero() && e.now().Before(until) {
			return &Gate{Name: GateSoak, Until: until,
				Reason: fmt.Sprintf("connection %s was used by %s/%s on %s, after %s had taken its place", s.Replacement.Name, last.Project, last.Definition, last.Finished.UTC().Format("2006-01-02 15:04 MST"), s.Replacement.NewName),
				Next:   []string{"let it name " + s.Replacement.NewName + " (a branch that is older than the change names the old one, too): the soak time begins again with each use"}}, nil
		}
	}
	return nil, nil
}

// enable makes connections usable again that the revoke disabled.
func (r *rollbackRun) enable(ctx context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepDisable || p.done == nil && p.intent == nil {
			continue
		}
		c, err := r.e.replacedConnection(ctx, s.Replacement)
		if errors.Is(err, ErrNotFound) || err == nil && !c.Disabled {
			continue
		}
		if err == nil {
			err = r.e.Outside.Connections.SetDisabled(ctx, c, false)
		}
		if err != nil {
			return fmt.Errorf("enable connection %s again: %w", s.Replacement.Name, err)
		}
	}
	return nil
}

// replacedPlaces are the connections that were replaced, and whose password or certificate is gone.
func (r *rollbackRun) replacedPlaces(ctx context.Context, u plan.Unit, gone bool) ([]place, error) {
	var out []place
	for _, s := range u.Steps {
		p, refilled := r.e.step(u.ID, s.ID), r.e.step(u.ID, restorePrefix+s.ID)
		lost := gone
		if s.Kind == plan.StepReplacement && s.Replacement.Certificate {
			lost = r.certificateGone(u)
		}
		if s.Kind != plan.StepReplacement || !p.settled() && p.intent == nil || !lost && refilled.done == nil && refilled.intent == nil {
			continue
		}
		c, err := r.e.replacedConnection(ctx, s.Replacement)
		if errors.Is(err, ErrNotFound) {
			continue // deleted by a person: nothing signs in with it
		}
		if err != nil {
			return nil, err
		}
		out = append(out, place{step: restorePrefix + s.ID, title: "new password in connection " + c.Name, connection: &c, project: s.Replacement.Project})
	}
	return out, nil
}

// removeReplacements deletes the connections that the program made, when nothing uses them any more: a deletion cannot be taken back.
func (r *rollbackRun) removeReplacements(ctx context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepReplacement || p.done == nil && p.intent == nil {
			continue
		}
		title := "deleted connection " + s.Replacement.NewName
		c, err := r.e.replacementOf(ctx, u.ID, s.Replacement)
		switch {
		case errors.Is(err, ErrNotFound):
			title = "connection " + s.Replacement.NewName + " is not there"
		case err != nil:
			return err
		default:
			gate, err := r.usedReplacement(ctx, u, s, c)
			if err != nil {
				return err
			}
			if gate != nil {
				r.hold(u, *gate)
				return nil
			}
			if err := r.e.Outside.Connections.Delete(ctx, c); err != nil && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("delete connection %s: %w", s.Replacement.NewName, err)
			}
		}
		if err := r.undone(u, s.ID, title, s.Kind, nil); err != nil {
			return err
		}
		if access := string(plan.StepAccess) + "/" + string(s.Replacement.ID); r.e.step(u.ID, access).settled() || r.e.step(u.ID, access).intent != nil {
			if err := r.e.record(Record{Unit: u.ID, Step: access, Phase: PhaseUndone, Note: "its connection is gone"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// usedReplacement tells what still uses a connection that is to be deleted: runs since its last name was taken back, or what people were told to let name it.
func (r *rollbackRun) usedReplacement(ctx context.Context, u plan.Unit, s plan.Step, c inventory.Connection) (*Gate, error) {
	p := s.Replacement
	next := []string{"let whatever names it name " + p.Name + " again, then delete it (Project settings, Service connections, " + p.NewName + ") and run the rollback again"}
	if len(p.ByHand) > 0 {
		return &Gate{Name: GateDependent, Reason: fmt.Sprintf("connection %s stays: the plan asked people to let it be named in %s, and whether that was taken back is not known", p.NewName, strings.Join(p.ByHand, "; ")), Next: next}, nil
	}
	uses, err := r.e.Outside.Connections.Uses(ctx, c, r.revertedAt(u))
	if err != nil {
		return nil, fmt.Errorf("read the uses of connection %s: %w", p.NewName, err)
	}
	if len(uses) == 0 {
		return nil, nil
	}
	return &Gate{Name: GateDependent, Reason: fmt.Sprintf("connection %s stays: %s/%s uses it (%s)", p.NewName, uses[0].Project, uses[0].Definition, uses[0].Finished.UTC().Format("2006-01-02 15:04 MST")), Next: next}, nil
}

// revertedAt is when the last pull request of a unit was taken back; zero where none was merged.
func (r *rollbackRun) revertedAt(u plan.Unit) time.Time {
	return look(r.e, func(f *fold) time.Time {
		var last time.Time
		for _, q := range f.requests {
			if q.revert && q.state == requestMerged && slices.Contains(q.units, u.ID) && q.mergedAt.After(last) {
				last = q.mergedAt
			}
		}
		return last
	})
}
