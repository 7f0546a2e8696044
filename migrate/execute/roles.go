package execute

import (
	"context"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Roles is Azure's role assignments, as far as they are read back.
type Roles interface {
	// Roles reads the role assignments of many service principals by their object ids. Every one that was asked for is in the result.
	Roles(ctx context.Context, principals []inventory.ObjectID) (map[inventory.ObjectID][]inventory.RoleAssignment, error)
}

// RoleComparison tells whether an application has the Azure roles that it had when it was scanned. A migration must leave them as they are: no step
// touches them, so a difference was made by somebody else, or is a mistake to look into.
type RoleComparison struct {
	Equal  bool     `json:"equal"`
	Gone   []string `json:"gone,omitempty"`   // each a role and its scope
	Added  []string `json:"added,omitempty"`  // likewise
	Reason string   `json:"reason,omitempty"` // why they could not be compared
}

// compareRoles adds the comparison to the results of units that are under way or done, and to the journal where it says something new. It needs a
// snapshot whose roles are known; without one nothing is said.
func (e *Executor) compareRoles(ctx context.Context, units []UnitResult) error {
	if e.Outside.Roles == nil || e.Snapshot == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	before := map[inventory.AppID]inventory.Identity{}
	for _, id := range e.Snapshot.Identities {
		if id.RolesKnown && id.ServicePrincipalID != "" {
			before[inventory.AppID(strings.ToLower(string(id.AppID)))] = id
		}
	}
	var principals []inventory.ObjectID
	snapshot := make([]*inventory.Identity, len(units))
	for i, u := range units {
		if id, ok := before[inventory.AppID(strings.ToLower(string(u.AppID)))]; ok && u.State != UnitBlocked && u.State != UnitPlanned {
			snapshot[i] = &id
			principals = append(principals, id.ServicePrincipalID)
		}
	}
	if len(principals) == 0 {
		return nil
	}
	slices.Sort(principals)
	now, err := e.Outside.Roles.Roles(ctx, slices.Compact(principals))
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, id := range snapshot {
		if id == nil {
			continue
		}
		c := RoleComparison{}
		if err != nil {
			c.Reason = "the role assignments could not be read: " + err.Error()
		} else {
			c = CompareRoles(id.Roles, now[id.ServicePrincipalID])
		}
		units[i].Roles = &c
		if err := e.recordRoles(units[i].Unit, c); err != nil {
			return err
		}
	}
	return nil
}

// recordRoles puts a comparison into the journal, unless it has it already.
func (e *Executor) recordRoles(unit string, c RoleComparison) error {
	after := State{"result": "equal"}
	switch {
	case c.Reason != "":
		after = State{"result": "unknown", "reason": c.Reason}
	case !c.Equal:
		after = State{"result": "different"}
		if len(c.Gone) > 0 {
			after["gone"] = strings.Join(c.Gone, "; ")
		}
		if len(c.Added) > 0 {
			after["added"] = strings.Join(c.Added, "; ")
		}
	}
	if last := e.step(unit, rolesStep).seen; last != nil && equalState(last.After, after) {
		return nil
	}
	return e.record(Record{Unit: unit, Step: rolesStep, Phase: PhaseObserved, After: after, Note: "Azure roles of the application against the scan"})
}

// CompareRoles tells which role assignments are gone and which were added. Assignments of the same role at the same scope are the same, whatever their id.
func CompareRoles(before, now []inventory.RoleAssignment) RoleComparison {
	had, has := roleNames(before), roleNames(now)
	c := RoleComparison{}
	for _, r := range had {
		if !slices.Contains(has, r) {
			c.Gone = append(c.Gone, r)
		}
	}
	for _, r := range has {
		if !slices.Contains(had, r) {
			c.Added = append(c.Added, r)
		}
	}
	c.Equal = len(c.Gone)+len(c.Added) == 0
	return c
}

// roleNames are roles with their scopes, each once. Azure compares scopes without case.
func roleNames(list []inventory.RoleAssignment) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.Role+" at "+strings.ToLower(r.Scope))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
