package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// query is what the commands that ask the inventory share.
type query struct {
	explain.Input
	config *config
	// note says where the plan stands in relation to the inventory; empty: as it should be.
	note string
}

// query reads the inventory and plans it as `unsecret plan` would, so that an answer never rests on a plan of another
// inventory. A plan that was saved gives the units' states, and a warning where it is of another inventory or configuration.
func (a *app) query() (*query, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	inv, err := a.loadInventory()
	if err != nil {
		return nil, err
	}
	q := &query{config: c, Input: explain.Input{Inventory: inv, Findings: policy.Evaluate(inv, c.Check)}}
	records, plans, _, err := a.past()
	if err != nil {
		return nil, err
	}
	if q.Plan, err = plan.New(inv, c.Plan, execute.MovedBy(records, plans)...); err != nil {
		return nil, usageErrorf("plan: %w", err)
	}
	return q, a.addStates(q, records, plans)
}

// addStates reads where the units of the saved plan stand.
func (a *app) addStates(q *query, records []execute.Record, plans execute.Plans) error {
	if there, err := a.has(planFile); err == nil && !there {
		q.note = "There is no plan yet: this is what unsecret plan would decide now."
		return nil
	}
	saved, err := a.loadPlan()
	if err != nil {
		return err
	}
	switch {
	case saved.Inventory != q.Plan.Inventory:
		q.note = "The plan was made from an earlier scan: this is what unsecret plan would decide now."
	case saved.Config != q.Plan.Config:
		q.note = "The configuration has changed since the plan was made: this is what unsecret plan would decide now."
	}
	// Units that an earlier plan has begun go on, and what they take away is no loose end that a person may delete.
	q.Plan = execute.Present(q.Plan, records, plans)
	q.States, q.Done = map[string]string{}, map[string]bool{}
	for _, u := range execute.Standing(saved, records, plans, time.Now()).Units {
		q.States[u.Unit] = string(u.State)
		for _, s := range u.Steps {
			q.Done[explain.DoneKey(u.Unit, s.Step)] = s.State == execute.StepDone || s.State == execute.StepAlready
		}
	}
	return nil
}

// nearest is how many objects are named to a person who asked for one that is not there, or for several at once.
const nearest = 8

// object finds the one object that a person asks for.
func (q *query) object(text string) (inventory.Object, error) {
	found := q.Find(text)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return inventory.Object{}, usageErrorf("the inventory has no %q%s", text, didYouMean(q.Inventory.Near(text, nearest)))
	}
	return inventory.Object{}, usageErrorf("%q is ambiguous; give one of these ids:%s", text, objectLines(found, nearest))
}

func didYouMean(near []inventory.Object) string {
	if len(near) == 0 {
		return ": list what there is with unsecret list, or scan again"
	}
	return "; did you mean:" + objectLines(near, nearest)
}

// objectLines lists objects, one line each.
func objectLines(list []inventory.Object, most int) string {
	var b strings.Builder
	for _, o := range list[:min(len(list), most)] {
		b.WriteString("\n" + objectLine(o))
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	return b.String()
}

// objectLine names an object so that a person can recognise it and ask for it.
func objectLine(o inventory.Object) string {
	text := fmt.Sprintf("%s %s", o.Kind, o.ID)
	if o.Kind == inventory.ObjectLogin {
		return text + " (" + o.Name + ")"
	}
	var about []string
	if o.Name != o.ID && !strings.HasSuffix(o.ID, "/"+o.Name) {
		about = append(about, o.Name)
	}
	if o.Place != "" && o.Kind != inventory.ObjectSecret {
		about = append(about, o.Place)
	}
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	return text
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02")
}
