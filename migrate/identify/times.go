package identify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const (
	// skew is by how much the clocks of GitHub and Entra may differ, and how long after the password was made its start may
	// be written.
	skew = 5 * time.Minute
	// latency is how late a sign-in may come into the log (Microsoft Learn: Microsoft Entra ID reports and monitoring, "within
	// minutes", no promise), so the newest runs say nothing yet.
	latency = 15 * time.Minute
	// lead and trail widen a run: it is stamped with whole seconds, and ends when its last job has.
	lead, trail = time.Minute, 2 * time.Minute
)

// password tells whether a credential is one that a secret can hold.
func password(c inventory.Credential) bool { return c.Type == inventory.CredentialPassword }

// dates weighs how soon after a password was made the secret was written: people store what they have just made.
func (q *question) dates(a Application) []Evidence {
	if q.open.Secret == nil || q.open.Secret.UpdatedAt.IsZero() {
		return nil
	}
	var best *Evidence
	for _, c := range a.Credentials {
		if !password(c) || c.Start.IsZero() {
			continue
		}
		after := q.open.Secret.UpdatedAt.Sub(c.Start)
		if after < -skew || after > 24*time.Hour {
			continue
		}
		e := Evidence{KindDate, 15, fmt.Sprintf("the secret was written %s after its password %s began", ago(after), keyName(c)), "on the same day"}
		switch {
		case after <= 10*time.Minute:
			e.Weight, e.Reason = 45, "within minutes: who makes a password stores it at once"
		case after <= 2*time.Hour:
			e.Weight, e.Reason = 30, "within two hours"
		}
		if best == nil || e.Weight > best.Weight {
			best = &e
		}
	}
	if best == nil {
		return nil
	}
	return []Evidence{*best}
}

func keyName(c inventory.Credential) string {
	if c.DisplayName == "" {
		return string(c.KeyID)
	}
	return fmt.Sprintf("%q (%s)", c.DisplayName, c.KeyID)
}

func ago(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// against says what speaks against an application. A password that was removed since may still be what the secret holds, so
// this only keeps it from being proposed.
func (q *question) against(a Application) []string {
	var starts []time.Time
	for _, c := range a.Credentials {
		if password(c) {
			starts = append(starts, c.Start)
		}
	}
	switch {
	case len(starts) == 0:
		return []string{"it has no password now"}
	case q.open.Secret == nil || q.open.Secret.UpdatedAt.IsZero():
		return nil
	case !slices.ContainsFunc(starts, func(t time.Time) bool { return !t.After(q.open.Secret.UpdatedAt.Add(skew)) }):
		return []string{"all its passwords are younger than the secret's value"}
	}
	return nil
}

// span is a time in which a workflow ran.
type span struct{ from, to time.Time }

// spans gives the times of a secret's workflows that the sign-in log can speak about, and how many runs succeeded in them. Those that
// overlap are one.
func (q *question) spans(since time.Time) (all []span, good []Run) {
	end := q.e.in.Now.Add(-latency)
	for _, w := range q.workflows {
		for _, r := range q.e.in.Runs[w].Runs {
			if r.Started.Before(since) || r.Finished.After(end) {
				continue
			}
			all = append(all, span{r.Started.Add(-lead), r.Finished.Add(trail)})
			if r.OK {
				good = append(good, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && !s.from.After(merged[n-1].to) {
			if s.to.After(merged[n-1].to) {
				merged[n-1].to = s.to
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged, good
}

func length(list []span) time.Duration {
	var sum time.Duration
	for _, s := range list {
		sum += s.to.Sub(s.from)
	}
	return sum
}

// signIns weighs, key by key, whether an application signs in when the workflows run and at no other time.
func (q *question) signIns(a Application) []Evidence {
	log := a.SignIns
	if !log.Known || len(log.SignIns) == 0 {
		return nil
	}
	all, good := q.spans(log.Since)
	period := q.e.in.Now.Sub(log.Since)
	if len(good) == 0 || period <= 0 {
		return nil
	}
	busy := float64(length(all)) / float64(period)
	var best *Evidence
	for key, times := range byKey(log.SignIns) {
		e, ok := match(key, times, all, good, busy)
		if ok && (best == nil || e.Weight > best.Weight || e.Weight == best.Weight && e.Text < best.Text) {
			best = &e
		}
	}
	if best == nil {
		return nil
	}
	return []Evidence{*best}
}

// byKey groups the successful sign-ins with a password by its key.
func byKey(list []inventory.SignIn) map[inventory.KeyID][]time.Time {
	out := map[inventory.KeyID][]time.Time{}
	for _, s := range list {
		if s.ErrorCode == 0 && strings.EqualFold(s.CredentialType, "clientSecret") {
			out[s.KeyID] = append(out[s.KeyID], s.Time)
		}
	}
	return out
}

// match compares the sign-ins of one key with the runs. busy is the part of the time that the runs take: the less it is, the less
// is a coincidence.
func match(key inventory.KeyID, times []time.Time, all []span, good []Run, busy float64) (Evidence, bool) {
	hit, inside := 0, 0
	for _, r := range good {
		s := span{r.Started.Add(-lead), r.Finished.Add(trail)}
		if slices.ContainsFunc(times, s.has) {
			hit++
		}
	}
	for _, t := range times {
		if slices.ContainsFunc(all, func(s span) bool { return s.has(t) }) {
			inside++
		}
	}
	runs, ins := float64(hit)/float64(len(good)), float64(inside)/float64(len(times))
	e := Evidence{Kind: KindSignIns, Text: fmt.Sprintf("its password %s signed in during %d of %d successful runs; %d of its %d sign-ins were during runs", key, hit, len(good), inside, len(times))}
	switch {
	case ins < 3*busy:
		return e, false // no more than chance would give
	case runs >= 0.8 && ins >= 0.8 && len(good) >= 3:
		e.Weight, e.Reason = 50, "it signs in when the workflows run, and hardly at any other time"
	case runs >= 0.8 && len(good) >= 2:
		e.Weight, e.Reason = 30, "it signs in when the workflows run, and at other times"
	case runs >= 0.3 || len(good) == 1 && hit == 1:
		e.Weight, e.Reason = 15, "it signs in during some of the runs"
	default:
		return e, false
	}
	return e, true
}

func (s span) has(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// unknownSignIns says of which candidates the sign-ins could not be weighed.
func (q *question) unknownSignIns(list []Candidate) []Unknown {
	reasons := map[string]int{}
	for _, c := range list {
		if log := q.e.apps[c.AppID].SignIns; !log.Known {
			reasons[cmp.Or(log.Reason, "the sign-in log was not read for them")]++
		}
	}
	var out []Unknown
	for why, n := range reasons {
		out = append(out, Unknown{What: fmt.Sprintf("the sign-ins of %d of the candidates", n), Why: why})
	}
	slices.SortFunc(out, func(a, b Unknown) int { return strings.Compare(a.Why+a.What, b.Why+b.What) })
	return out
}
