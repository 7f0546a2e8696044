package execute

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// revocation is one unit on its way through a revoke.
type revocation struct {
	unit   plan.Unit
	result UnitResult
	log    inventory.SignInEvidence
	moved  time.Time
	ready  bool             // every gate holds
	held   map[string]*Gate // steps that wait by themselves
}

// namedGate holds a unit that the configuration wants named: shared, production or tier-0.
func namedGate(u plan.Unit, only []string) *Gate {
	if len(u.Named) == 0 || slices.Contains(only, u.ID) {
		return nil
	}
	var why []string
	for _, r := range u.Named {
		why = append(why, r.Code+" ("+r.Message+")")
	}
	return &Gate{Name: GateNamed, Reason: "its old secret is removed only where the unit is named: it is " + strings.Join(why, ", "),
		Next: []string{"unsecret revoke --only " + u.ID}}
}

// limit lets at most as many units through as the configuration allows for one run, in the order of the waves. What an
// earlier run has begun does not count again.
func (e *Executor) limit(all []*revocation, o RevokeOptions) {
	units := 0
	for _, u := range e.units() {
		if !u.Blocked() {
			units++
		}
	}
	most, taken := e.Plan.Settings.Revoke.Limit(units), 0
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b *revocation) int { return a.unit.Wave - b.unit.Wave })
	for _, r := range ordered {
		if !r.ready || o.Force || !e.removes(r.unit) || e.revoking(r.unit) || e.allUsed(r, o) {
			continue
		}
		if taken++; taken > most {
			r.ready = false
			r.result = pendingOn(r.result, e.limitGate(most, units))
		}
	}
}

// allUsed tells whether every password or federated credential of a unit is held, because the log shows it in use or a connection presents it.
func (e *Executor) allUsed(r *revocation, o RevokeOptions) bool {
	passwords, used := 0, 0
	for _, s := range r.unit.Steps {
		if watched(s) && !(s.Kind == plan.StepTrustRemoval && e.step(r.unit.ID, s.ID).settled()) {
			passwords++
			if r.held[s.ID] != nil || e.usedGate(r.unit, s, o, r) != nil {
				used++
			}
		}
	}
	return passwords > 0 && used == passwords
}

func (e *Executor) limitGate(most, units int) Gate {
	rules := e.Plan.Settings.Revoke
	why := fmt.Sprintf("%d %% of %d", rules.Share, units)
	if rules.Units > 0 && rules.Units == most {
		why = fmt.Sprintf("plan.revoke.units is %d", rules.Units)
	}
	return Gate{Name: GateLimit, Reason: fmt.Sprintf("this run has reached its limit of %d revoked units (%s)", most, why),
		Next: []string{"see that everything still runs, then run unsecret revoke again", "or lift the limit for one run: unsecret revoke --force"}}
}

// removes tells whether a revoke of the unit takes anything away.
func (e *Executor) removes(u plan.Unit) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Phase == plan.PhaseRevoke && !e.step(u.ID, s.ID).settled() })
}

// revoking tells whether a revoke of the unit has begun already.
func (e *Executor) revoking(u plan.Unit) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		p := e.step(u.ID, s.ID)
		return s.Phase == plan.PhaseRevoke && (p.settled() || p.intent != nil)
	})
}
