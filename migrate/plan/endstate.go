package plan

import (
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Values of Config.EndState.
const (
	EndStatePropose = "propose"        // say what would keep the applications without passwords
	EndStateBlock   = "blockPasswords" // and do it
)

// PolicyName is the display name of the app management policy that forbids new passwords on migrated applications.
const PolicyName = "unsecret: no new passwords"

// PolicyStep assigns that policy to one application.
type PolicyStep struct {
	Application inventory.ObjectID `json:"application"`
	AppID       inventory.AppID    `json:"appId"`
	Policy      string             `json:"policy"` // display name; it is made where there is none
}

// policyStep keeps a migrated application from getting a password again, if that was asked for and nothing stands against it.
func (p *planner) policyStep(d *draft, after []string) (Step, bool) {
	if p.cfg.EndState != EndStateBlock || !p.revocable(d) || d.identity.NewPasswords.Forbidden || endStateByHand(d) != nil {
		return Step{}, false
	}
	return Step{ID: string(StepPolicy) + "/" + string(d.unit.AppID), Kind: StepPolicy, Class: Repeatable, Phase: PhaseRevoke,
		Title:        "forbid new passwords on " + d.unit.Title,
		DependsOn:    after,
		Precondition: map[string]string{"policy": ""},
		Undo:         "take the policy off the application again, before a new password is added",
		Policy:       &PolicyStep{Application: d.unit.ObjectID, AppID: d.unit.AppID, Policy: PolicyName}}, true
}

// endStateByHand tells why the policy is a person's to set: an application has one policy at most, which stands in the place of the
// tenant's default as a whole (Microsoft Learn: Microsoft Entra application management policies API overview), so that another one would
// lift what is forbidden now.
func endStateByHand(d *draft) *Reason {
	n := d.identity.NewPasswords
	hand := func(message string, next ...string) *Reason {
		return &Reason{Code: "end-state-by-hand", Object: d.unit.Title, Message: message, Next: next}
	}
	switch {
	case !n.Known:
		return hand("which app management policies there are is not known, so that none is assigned: "+n.Reason, "let the scan read policies (Policy.Read.All), then scan and plan again")
	case n.Own:
		return hand("it has an app management policy of its own already, and can have one only",
			"add the restriction passwordAddition to that policy once the unit is revoked (PATCH /policies/appManagementPolicies/{id})")
	case n.TenantRules:
		return hand("the tenant's default app management policy restricts applications, and a policy of its own would take its place as a whole",
			"add the restriction passwordAddition to the default policy (PATCH /policies/defaultAppManagementPolicy), with exemptions for what still needs a password",
			"or make a policy that repeats the default's restrictions with passwordAddition, and assign it (POST /applications/{id}/appManagementPolicies/$ref)")
	}
	return nil
}

// endStateNotes say where the end state that was asked for is left to a person.
func (p *planner) endStateNotes(d *draft, u Unit) []Reason {
	if p.cfg.EndState != EndStateBlock || len(u.Withheld) > 0 || !p.revocable(d) || d.identity.NewPasswords.Forbidden {
		return nil
	}
	if r := endStateByHand(d); r != nil {
		return []Reason{*r}
	}
	return nil
}

// proposals are what would keep the migrated applications as they are, where nobody has asked for it yet.
func (p *planner) proposals(drafts []*draft) []Reason {
	if p.cfg.EndState == EndStateBlock {
		return nil
	}
	open := slices.DeleteFunc(slices.Clone(drafts), func(d *draft) bool {
		return len(d.blockers) > 0 || d.identity == nil || d.identity.NewPasswords.Forbidden || !p.revocable(d)
	})
	if len(open) == 0 {
		return nil
	}
	return []Reason{{Code: "block-passwords", Object: count(len(open), "application"),
		Message: fmt.Sprintf("once revoked, %s can be kept from ever getting a password again, by an app management policy (needs Microsoft Entra Workload ID Premium)", count(len(open), "application")),
		Next: []string{"set plan.endState: blockPasswords and plan again: revoke then assigns the policy, and a rollback takes it off first",
			"or set the restriction passwordAddition in the tenant's default policy when no application needs a password any more (CIS Microsoft 365 Foundations 5.1.5.3)"}}}
}
