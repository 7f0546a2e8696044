// Package explain answers questions about one object of an inventory: what is around it, and why it is classified,
// planned, blocked or left as it is. It decides nothing itself: every answer is put together from what the inventory,
// the findings and the plan say.
package explain

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// Input is what is known.
type Input struct {
	Inventory *inventory.Inventory
	Findings  []policy.Finding
	Plan      *plan.Plan        // made of this inventory; may be nil
	States    map[string]string // where the units of the plan stand, by id; may be nil
	Done      map[string]bool   // steps that are done, by unit and step as DoneKey joins them; may be nil
}

// DoneKey joins the ids of a unit and of one of its steps.
func DoneKey(unit, step string) string { return unit + "|" + step }

// Find gives the objects that a text names; see Inventory.Find. The id of a unit names its identity.
func (in Input) Find(text string) []inventory.Object {
	if found := in.Inventory.Find(text); len(found) > 0 {
		return found
	}
	if in.Plan == nil {
		return nil
	}
	u, ok := in.Plan.Unit(strings.TrimSpace(text))
	if !ok {
		return nil
	}
	if o, ok := in.Inventory.IdentityOf(u.AppID); ok {
		return []inventory.Object{o}
	}
	var out []inventory.Object
	for _, s := range u.Secrets { // the unit of a secret whose identity is not known
		out = append(out, in.Inventory.Find(s.Path())...)
	}
	return out
}

// unitsOf gives the units of the plan that an object belongs to. A login can sign in as several identities.
func (in Input) unitsOf(o inventory.Object) []plan.Unit {
	if in.Plan == nil {
		return nil
	}
	var out []plan.Unit
	for _, u := range in.Plan.Units {
		if in.belongs(u, o) {
			out = append(out, u)
		}
	}
	return out
}

func (in Input) belongs(u plan.Unit, o inventory.Object) bool {
	switch o.Kind {
	case inventory.ObjectConnection:
		return slices.ContainsFunc(u.Connections, func(c plan.ConnectionUse) bool { return string(c.ID) == o.ID })
	case inventory.ObjectLogin:
		return slices.ContainsFunc(u.Logins, func(l plan.LoginUse) bool { return string(l.ID) == o.ID })
	case inventory.ObjectSecret:
		ref := in.Inventory.Secret(o).Ref()
		return slices.ContainsFunc(u.Secrets, ref.Same)
	case inventory.ObjectPipelineSecret:
		return u.AppID != "" && strings.EqualFold(string(u.AppID), string(in.Inventory.PipelineSecret(o).AppID))
	default:
		return u.AppID != "" && strings.EqualFold(string(u.AppID), string(in.Inventory.Identity(o).AppID))
	}
}

// leftOf gives what the plan says of an object that it leaves alone.
func (in Input) leftOf(o inventory.Object) []plan.Left {
	if in.Plan == nil {
		return nil
	}
	var out []plan.Left
	for _, l := range in.Plan.Left {
		if in.isLeft(l, o) {
			out = append(out, l)
		}
	}
	return out
}

func (in Input) isLeft(l plan.Left, o inventory.Object) bool {
	switch o.Kind {
	case inventory.ObjectConnection:
		c := in.Inventory.Connection(o)
		return l.Object == "connection "+c.Name && l.Place == c.Place()
	case inventory.ObjectLogin:
		return l.Place == o.ID
	case inventory.ObjectSecret:
		return l.Object == "secret "+o.Name && l.Place == o.Place
	case inventory.ObjectCredential:
		return strings.HasPrefix(l.Object, string(in.Inventory.Credential(o).Type)+" "+o.ID+" of ")
	}
	return false
}
