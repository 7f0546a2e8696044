package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Rule matches units: one does if any glob matches anything of the unit that it speaks of. Globs are those of path.Match,
// without case.
type Rule struct {
	Environments  []string `yaml:"environments" json:"environments,omitempty"`   // of the jobs that sign in
	Repositories  []string `yaml:"repositories" json:"repositories,omitempty"`   // OWNER/NAME
	Connections   []string `yaml:"connections" json:"connections,omitempty"`     // names
	Subscriptions []string `yaml:"subscriptions" json:"subscriptions,omitempty"` // ids
	Tags          []string `yaml:"tags" json:"tags,omitempty"`                   // of the application
}

func (r Rule) empty() bool {
	return len(r.Environments)+len(r.Repositories)+len(r.Connections)+len(r.Subscriptions)+len(r.Tags) == 0
}

func (r Rule) validate() error {
	for _, list := range [][]string{r.Environments, r.Repositories, r.Connections, r.Subscriptions, r.Tags} {
		for _, g := range list {
			if _, err := path.Match(g, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", g, err)
			}
		}
	}
	return nil
}

// defaultProduction are the names by which production is known where nobody says otherwise.
func defaultProduction() Rule {
	names := []string{"prod", "production", "prd", "live", "prod-*", "production-*", "*-prod", "*-production", "*-prd"}
	return Rule{Environments: names, Connections: slices.Clone(names), Tags: slices.Clone(names)}
}

// Values of RevokeRules.Name and WaveRule.Risk.
const (
	RiskShared     = "shared"     // several connections or repositories use the identity
	RiskProduction = "production" // Config.Production matches the unit
	RiskTier0      = "tier-0"     // the identity has a privileged role at a subscription or above, or nobody knows
	NameNone       = "none"       // in RevokeRules.Name alone: no unit has to be named
)

// RevokeRules bound what one run of revoke removes.
type RevokeRules struct {
	Share int      `yaml:"share" json:"share,omitempty"` // at most so many percent of the plan's units, and at least one; default 30
	Units int      `yaml:"units" json:"units,omitempty"` // and at most so many units; 0: no such limit
	Name  []string `yaml:"name" json:"name,omitempty"`   // units of these risks are revoked only where they are named; default all three
	// Watch is how long the sign-in log is watched for failures after one password of an application was removed, before the next
	// one is; default 24h.
	Watch *Duration `yaml:"watch" json:"watch,omitempty"`
}

// DefaultWatch lets everything that runs each day run once without the removed password.
const DefaultWatch = Duration(24 * time.Hour)

// WatchTime is the configured watch time.
func (r RevokeRules) WatchTime() time.Duration {
	if r.Watch == nil {
		return time.Duration(DefaultWatch)
	}
	return time.Duration(*r.Watch)
}

// DefaultShare is the share of a plan's units, in percent, that one run of revoke removes at most.
const DefaultShare = 30

func (r *RevokeRules) setDefaults() {
	if r.Share == 0 {
		r.Share = DefaultShare
	}
	if len(r.Name) == 0 {
		r.Name = []string{RiskShared, RiskProduction, RiskTier0}
	}
	if r.Watch == nil {
		watch := DefaultWatch
		r.Watch = &watch
	}
}

func (r RevokeRules) validate() error {
	switch {
	case r.Share < 0 || r.Share > 100:
		return fmt.Errorf("share: %d is not between 1 and 100", r.Share)
	case r.Units < 0:
		return fmt.Errorf("units: %d is negative", r.Units)
	case slices.Contains(r.Name, NameNone) && len(r.Name) > 1:
		return fmt.Errorf("name: none stands alone")
	}
	for _, n := range r.Name {
		if err := oneOf("name", n, "", RiskShared, RiskProduction, RiskTier0, NameNone); err != nil {
			return err
		}
	}
	return nil
}

// Limit is how many of so many units one run of revoke may take.
func (r RevokeRules) Limit(units int) int {
	n := max(1, units*r.Share/100)
	if r.Units > 0 {
		n = min(n, r.Units)
	}
	return n
}

// matchesRule tells whether a rule matches anything of a unit, and what.
func (p *planner) matchesRule(d *draft, r Rule) (string, bool) {
	for _, c := range d.conns {
		if anyMatches(r.Connections, c.Name) {
			return "connection " + c.Name, true
		}
		if c.SubscriptionID != "" && anyMatches(r.Subscriptions, string(c.SubscriptionID)) {
			return "subscription " + string(c.SubscriptionID), true
		}
	}
	for _, m := range d.members {
		if anyMatches(r.Repositories, string(m.login.Repository)) {
			return "repository " + string(m.login.Repository), true
		}
		for _, u := range m.of(d.unit.AppID) {
			for _, e := range u.environments {
				if e != "" && anyMatches(r.Environments, e) {
					return "environment " + e, true
				}
			}
			if s := p.subscription(u); s != "" && anyMatches(r.Subscriptions, string(s)) {
				return "subscription " + string(s), true
			}
		}
	}
	if d.identity == nil {
		return "", false
	}
	for _, t := range d.identity.Tags {
		if anyMatches(r.Tags, t) {
			return "tag " + t, true
		}
	}
	return "", false
}

// risks tell why a unit is not one of many, as far as the inventory knows.
func (p *planner) risks(d *draft) []Reason {
	var out []Reason
	add := func(code, message string) {
		out = append(out, Reason{Code: code, Object: d.unit.Title, Message: message})
	}
	if repos := repositoriesOf(d); len(d.conns) > 1 || len(repos) > 1 {
		add(RiskShared, fmt.Sprintf("%s and %s share it", count(len(d.conns), "connection"), plural(len(repos), "repository", "repositories")))
	}
	if what, ok := p.matchesRule(d, *p.cfg.Production); ok {
		add(RiskProduction, "it is production: "+what)
	}
	if d.identity != nil {
		if why := tier0(*d.identity); why != "" {
			add(RiskTier0, why)
		}
	}
	return out
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// tier0 tells why an identity can take a subscription over. Roles that could not be read count as such: what is not
// known is not harmless. The roles are those that Microsoft calls privileged and that give or hold access to everything
// (Microsoft Learn: "Azure built-in roles", Privileged).
func tier0(id inventory.Identity) string {
	if !id.RolesKnown {
		return "which Azure roles it has could not be read"
	}
	for _, r := range id.Roles {
		switch strings.ToLower(r.Role) {
		case "owner", "user access administrator", "role based access control administrator", "contributor":
			if wide(r.Scope) {
				return "it is " + r.Role + " of " + r.Scope
			}
		}
	}
	return ""
}

// wide tells whether an ARM scope is a subscription, a management group or the root.
func wide(scope string) bool {
	s := strings.ToLower(strings.Trim(scope, "/"))
	return s == "" || strings.HasPrefix(s, "providers/microsoft.management/managementgroups/") ||
		strings.HasPrefix(s, "subscriptions/") && strings.Count(s, "/") == 1
}

// named gives the reasons why revoke takes a unit only where it is named.
func (p *planner) named(d *draft) []Reason {
	return slices.DeleteFunc(p.risks(d), func(r Reason) bool { return !slices.Contains(p.cfg.Revoke.Name, r.Code) })
}

// wave is that of the first rule that matches the unit.
func (p *planner) wave(d *draft) int {
	for _, rule := range p.cfg.Waves {
		if p.inWave(d, rule) {
			return rule.Wave
		}
	}
	return 1
}

// inWave tells whether a wave's rule matches. Unused and risks narrow what the globs choose; alone they choose by
// themselves.
func (p *planner) inWave(d *draft, w WaveRule) bool {
	if w.UnusedFor != nil && !p.unusedFor(d, time.Duration(*w.UnusedFor)) {
		return false
	}
	if len(w.Risk) > 0 {
		risky := func(r Reason) bool { return slices.Contains(w.Risk, r.Code) }
		if !slices.ContainsFunc(p.risks(d), risky) {
			return false
		}
	}
	if r := w.rule(); !r.empty() {
		_, ok := p.matchesRule(d, r)
		return ok
	}
	return w.UnusedFor != nil || len(w.Risk) > 0
}

// unusedFor tells whether a unit's identity is known to have signed in nowhere for so long before the newest use of
// anything in the inventory: the time of the scan itself has no part in a plan.
func (p *planner) unusedFor(d *draft, least time.Duration) bool {
	if d.identity == nil || !d.identity.SignIns.Known {
		return false
	}
	last := d.identity.LastSignIn()
	for _, c := range d.conns {
		for _, u := range c.Uses {
			if u.Finished.After(last) {
				last = u.Finished
			}
		}
	}
	if last.IsZero() {
		return true
	}
	return p.newestUse().Sub(last) >= least
}

// newestUse is the time of the last use of anything that the scan saw.
func (p *planner) newestUse() time.Time {
	var newest time.Time
	for _, id := range p.inv.Identities {
		if t := id.LastSignIn(); t.After(newest) {
			newest = t
		}
	}
	for _, c := range p.inv.Connections {
		for _, u := range c.Uses {
			if u.Finished.After(newest) {
				newest = u.Finished
			}
		}
	}
	return newest
}
