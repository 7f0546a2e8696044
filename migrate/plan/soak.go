package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Soak is how long a unit's old secret is kept after its last user has moved, and why so long.
type Soak struct {
	Time   Duration `json:"time"`
	Reason string   `json:"reason"`
}

// soakOf gives a unit's soak time: what the configuration says, else seven days, or the longest time that was observed between
// two uses if that is longer. Who runs once a month is not seen within a week.
func (p *planner) soakOf(d *draft) *Soak {
	if p.cfg.Soak != nil {
		return &Soak{Time: *p.cfg.Soak, Reason: "the configuration says so"}
	}
	s := &Soak{Time: DefaultSoak, Reason: "the default"}
	longer := func(what string, uses []time.Time) {
		if gap, from, to := LongestGap(uses); gap > time.Duration(s.Time) {
			s.Time, s.Reason = Duration(gap), GapReason(what, from, to)
		}
	}
	for _, c := range d.conns {
		var uses []time.Time
		for _, u := range c.Uses {
			uses = append(uses, u.Finished)
		}
		longer("connection "+c.Name, uses)
	}
	if d.identity != nil {
		longer("the identity", signIns(d.identity))
	}
	return s
}

func signIns(id *inventory.Identity) []time.Time {
	var out []time.Time
	for _, s := range id.SignIns.SignIns {
		if s.ErrorCode == 0 {
			out = append(out, s.Time)
		}
	}
	return out
}

// LongestGap gives the longest time between two uses that follow each other.
func LongestGap(uses []time.Time) (gap time.Duration, from, to time.Time) {
	sorted := slices.DeleteFunc(slices.Clone(uses), time.Time.IsZero)
	slices.SortFunc(sorted, time.Time.Compare)
	for i := 1; i < len(sorted); i++ {
		if d := sorted[i].Sub(sorted[i-1]); d > gap {
			gap, from, to = d, sorted[i-1], sorted[i]
		}
	}
	return gap, from, to
}

// GapReason says why a soak time is longer than the default.
func GapReason(what string, from, to time.Time) string {
	return fmt.Sprintf("%s was not used between %s and %s", what, from.UTC().Format("2006-01-02"), to.UTC().Format("2006-01-02"))
}
