package execute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// openWave is the first wave that is not through: what comes after it waits.
type openWave struct {
	at    int // the number of records that it was found at
	wave  int // 0: all are through
	units []string
	why   []string // of each unit that failed its verification
}

// through tells whether a unit does not hold later waves up: it is verified, has nothing to do, or was skipped explicitly.
func (f *fold) through(u plan.Unit) bool {
	applies := slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Phase == plan.PhaseApply })
	if u.Blocked() || !applies || f.step(u.ID, skipStep).seen != nil {
		return true
	}
	proof := f.step(u.ID, verifyStep).seen
	back := f.step(u.ID, rollbackStep)
	return proof != nil && proof.After["result"] == "ok" && back.done == nil && back.intent == nil
}

// firstOpenWave finds the first wave with a unit that is not through, once for each state of the journal.
func (e *Executor) firstOpenWave() *openWave {
	e = e.top()
	if w := look(e, func(f *fold) *openWave {
		if e.wave != nil && e.wave.at == f.records {
			return e.wave
		}
		return nil
	}); w != nil {
		return w
	}
	units := e.units()
	e.mu.Lock()
	defer e.mu.Unlock()
	o := &openWave{at: e.fold.records}
	for _, u := range units {
		if e.fold.through(u) || slices.Contains(e.past, u.ID) || o.wave != 0 && u.Wave > o.wave {
			continue
		}
		if u.Wave < o.wave {
			o.units, o.why = nil, nil
		}
		o.wave, o.units = u.Wave, append(o.units, u.ID)
		if back := e.fold.step(u.ID, rollbackStep); back.done != nil || back.intent != nil {
			o.why = append(o.why, u.Title+" was rolled back")
		} else if e.fold.step(u.ID, verifyStep).seen != nil {
			o.why = append(o.why, u.Title+" failed its verification")
		}
	}
	e.wave = o
	return o
}

// waveGate holds a unit until every unit of the earlier waves is verified. A failed verification, or a rollback, so stops
// everything that has not begun.
func (e *Executor) waveGate(u plan.Unit) *Gate {
	o := e.firstOpenWave()
	if o.wave == 0 || u.Wave <= o.wave {
		return nil
	}
	g := &Gate{Name: GateWave, Reason: fmt.Sprintf("it is in wave %d, and wave %d is not verified yet: %s", u.Wave, o.wave, listed(o.units)),
		Next: []string{"bring that wave to its end: unsecret apply, then unsecret verify", "or go on without a unit of it, which is journaled: unsecret apply --skip " + o.units[0]}}
	if len(o.why) > 0 {
		g.Reason += " (" + strings.Join(o.why[:min(3, len(o.why))], "; ") + ")"
	}
	return g
}

func listed(ids []string) string {
	if len(ids) <= 3 {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:3], ", "), len(ids)-3)
}

// startGates are what a unit of which nothing is done yet waits for. One that has begun is brought to its end: half a
// migration is no safer than a whole one.
func (e *Executor) startGates(u plan.Unit) []Gate {
	if u.Blocked() || e.begun(u) {
		return nil
	}
	var out []Gate
	for _, g := range []*Gate{e.approvalGate(u, plan.PhaseApply), e.waveGate(u)} {
		if g != nil {
			out = append(out, *g)
		}
	}
	return out
}

// begun tells whether this program has announced or done anything of a unit since it was last rolled back.
func (e *Executor) begun(u plan.Unit) bool {
	return look(e, func(f *fold) bool {
		if f.step(u.ID, rollbackStep).done != nil {
			return false
		}
		for _, s := range u.Steps {
			if p := f.step(u.ID, s.ID); p.done != nil || p.intent != nil || p.seen != nil {
				return true
			}
		}
		return slices.ContainsFunc(f.requests, func(q *request) bool {
			return !q.revert && q.state != requestUndone && slices.Contains(q.units, u.ID)
		})
	})
}

// skip takes, and journals, the operator's decision that later waves need not wait for some units.
func (e *Executor) skip(ids []string, dry bool) error {
	if _, err := e.selectUnits(ids, 0); err != nil {
		return err
	}
	e.mu.Lock()
	e.past, e.wave = ids, nil
	e.mu.Unlock()
	for _, id := range ids {
		if dry || e.step(id, skipStep).seen != nil {
			continue
		}
		if err := e.record(Record{Unit: id, Step: skipStep, Phase: PhaseObserved, Note: "the operator decided that later waves do not wait for it"}); err != nil {
			return err
		}
	}
	return nil
}
