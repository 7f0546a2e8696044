package plan

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// IdentityStep creates a user-assigned managed identity.
type IdentityStep struct {
	Resource string `json:"resource"` // ARM id
	Location string `json:"location"`
}

// RoleStep gives a managed identity a role that the application has.
type RoleStep struct {
	Resource string                   `json:"resource"` // of the managed identity
	Name     string                   `json:"name"`     // of the new assignment, a GUID: the same in every plan
	Role     inventory.RoleAssignment `json:"role"`     // of the application
}

// RolesStep holds everything that moves until the managed identity has every role of the application. It changes nothing.
type RolesStep struct {
	Resource string                     `json:"resource"`
	From     inventory.ObjectID         `json:"from"` // service principal of the application
	Roles    []inventory.RoleAssignment `json:"roles"`
}

// targetSteps bring a managed identity to where it can stand in for the application.
func targetSteps(d *draft) []Step {
	if d.target == nil {
		return nil
	}
	t := d.target
	var out []Step
	if t.Create {
		out = append(out, Step{ID: string(StepIdentity) + "/" + t.Name, Kind: StepIdentity, Class: Repeatable, Phase: PhaseApply,
			Title:        fmt.Sprintf("create managed identity %s in %s", t.Name, t.Location),
			Precondition: map[string]string{"exists": ""},
			Undo:         "delete it, if nothing else uses it",
			Identity:     &IdentityStep{Resource: t.Resource, Location: t.Location}})
	}
	check := Step{ID: string(StepRoles) + "/" + t.Name, Kind: StepRoles, Class: Repeatable, Phase: PhaseApply,
		Title:        fmt.Sprintf("compare the roles of managed identity %s with those of %s", t.Name, d.unit.Title),
		DependsOn:    stepIDs(out),
		Precondition: map[string]string{},
		Undo:         "nothing: it changes nothing",
		Roles:        &RolesStep{Resource: t.Resource, From: t.From, Roles: d.identity.Roles}}
	before := stepIDs(out)
	for _, r := range d.identity.Roles {
		s := Step{ID: string(StepRole) + "/" + roleStepName(r), Kind: StepRole, Class: Repeatable, Phase: PhaseApply,
			Title:        fmt.Sprintf("make managed identity %s %s of %s", t.Name, r.Role, r.Scope),
			DependsOn:    before,
			Precondition: map[string]string{},
			Undo:         "remove the role assignment again",
			Role:         &RoleStep{Resource: t.Resource, Name: assignmentName(t.Resource, r), Role: r}}
		if r.Condition != "" {
			s.ID += "/" + assignmentName(t.Resource, r)[:8]
			s.Title += " with its condition"
		}
		out, check.DependsOn = append(out, s), append(check.DependsOn, s.ID)
	}
	return append(out, check)
}

// assignmentName derives a GUID from what is assigned, so that doing it again makes no second assignment.
func assignmentName(resource string, r inventory.RoleAssignment) string {
	sum := sha256.Sum256([]byte(strings.ToLower(resource + "|" + r.Scope + "|" + roleStepName(r) + "|" + r.Condition)))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8 and the variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// dependOnTarget lets everything wait for the identity, and what moves for the comparison of its roles.
func dependOnTarget(steps, target []Step) {
	for i := range steps {
		s := &steps[i]
		switch s.Kind {
		case StepFederatedCredential, StepVariable, StepReplacement:
			if first := target[0]; first.Kind == StepIdentity {
				s.DependsOn = append(s.DependsOn, first.ID)
			}
		case StepPullRequest, StepAccess:
			s.DependsOn = append(s.DependsOn, target[len(target)-1].ID)
		}
	}
}
