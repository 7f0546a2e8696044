// Package policy turns an inventory into findings: rules broken at a place, with severity, evidence and remedy.
package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Severity is how much a finding matters.
type Severity string

// The severities, from the worst to the least.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Severities lists all severities from the worst to the least.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

// AtLeast tells whether a severity is as bad as another, or worse.
func (s Severity) AtLeast(other Severity) bool { return s.rank() <= other.rank() }

func (s Severity) rank() int { return slices.Index(Severities(), s) }

// Finding is a rule broken at a place.
type Finding struct {
	Rule       string                   `json:"rule"`
	Severity   Severity                 `json:"severity"`
	Object     string                   `json:"object"` // what breaks the rule, for a reader
	Repository inventory.RepositoryName `json:"repository,omitempty"`
	File       string                   `json:"file,omitempty"`
	Line       int                      `json:"line,omitempty"`
	Column     int                      `json:"column,omitempty"`
	EndLine    int                      `json:"endLine,omitempty"`
	EndColumn  int                      `json:"endColumn,omitempty"`
	Message    string                   `json:"message"`
	Evidence   []string                 `json:"evidence,omitempty"`
	Remedy     []string                 `json:"remedy,omitempty"`
	// Fingerprint stays the same as long as the same rule is broken by the same object, wherever a file's lines move.
	Fingerprint string     `json:"fingerprint"`
	Excepted    *Exception `json:"excepted,omitempty"`
}

// Config is what a person decides about findings.
type Config struct {
	Threshold  Severity    `yaml:"threshold" json:"threshold,omitempty"`   // findings at or above it fail a check; default high
	UnusedDays int         `yaml:"unusedDays" json:"unusedDays,omitempty"` // a connection without a use in so many days is unused; default 90
	ExpiryDays int         `yaml:"expiryDays" json:"expiryDays,omitempty"` // a credential that ends within so many days; default 30
	MaxAgeDays int         `yaml:"maxAgeDays" json:"maxAgeDays,omitempty"` // a password that lives longer; default 180
	Exceptions []Exception `yaml:"exceptions" json:"exceptions,omitempty"`
}

// Exception accepts findings for a reason and a time. All fields that are given must match.
type Exception struct {
	Rule   string    `yaml:"rule" json:"rule,omitempty"`
	Object string    `yaml:"object" json:"object,omitempty"` // glob (path.Match, without case) of the finding's object, repository or file
	Reason string    `yaml:"reason" json:"reason"`
	Until  time.Time `yaml:"until" json:"until,omitzero"` // after it, or after its day where it is a date, the finding counts again
}

// WithDefaults gives the configuration with what was left out filled in.
func (c Config) WithDefaults() Config {
	if c.Threshold == "" {
		c.Threshold = High
	}
	for _, d := range []struct {
		days  *int
		value int
	}{{&c.UnusedDays, 90}, {&c.ExpiryDays, 30}, {&c.MaxAgeDays, 180}} {
		if *d.days == 0 {
			*d.days = d.value
		}
	}
	return c
}

// Validate checks the configuration.
func (c Config) Validate() error {
	if c.Threshold != "" && c.Threshold.rank() < 0 {
		return fmt.Errorf("check.threshold: %q is not one of critical, high, medium, low, info", c.Threshold)
	}
	for _, d := range []struct {
		name string
		days int
	}{{"unusedDays", c.UnusedDays}, {"expiryDays", c.ExpiryDays}, {"maxAgeDays", c.MaxAgeDays}} {
		if d.days < 0 {
			return fmt.Errorf("check.%s: %d is not a number of days: leave it out for the default", d.name, d.days)
		}
	}
	for i, e := range c.Exceptions {
		if e.Reason == "" {
			return fmt.Errorf("check.exceptions[%d]: give the reason, which an auditor will ask for", i)
		}
		if e.Rule == "" && e.Object == "" {
			return fmt.Errorf("check.exceptions[%d]: it would accept everything: give a rule or an object", i)
		}
		if e.Rule != "" && !known(e.Rule) {
			return fmt.Errorf("check.exceptions[%d]: there is no rule %q", i, e.Rule)
		}
		if _, err := path.Match(e.Object, ""); err != nil {
			return fmt.Errorf("check.exceptions[%d]: object %q: %w", i, e.Object, err)
		}
	}
	return nil
}

// Evaluate gives the findings of an inventory, the worst first. Times are compared with the time of the scan, so
// the same inventory gives the same findings at any time.
func Evaluate(inv *inventory.Inventory, c Config) []Finding {
	e := &evaluation{inv: inv, c: c.WithDefaults(), now: inv.ScannedAt}
	for _, r := range rules {
		if r.check != nil {
			r.check(e, r)
		}
	}
	e.except()
	slices.SortStableFunc(e.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	e.distinguish()
	return e.findings
}

// Failing gives the findings that count at or above the threshold: those without an exception.
func Failing(findings []Finding, c Config) []Finding {
	threshold := c.WithDefaults().Threshold
	var out []Finding
	for _, f := range findings {
		if f.Excepted == nil && f.Severity.AtLeast(threshold) {
			out = append(out, f)
		}
	}
	return out
}

// Fails tells whether Failing would give any finding of Evaluate. It keeps none of them.
func Fails(inv *inventory.Inventory, c Config) bool {
	e := &evaluation{inv: inv, c: c.WithDefaults(), now: inv.ScannedAt, asked: true}
	for _, r := range rules {
		if r.check != nil && !e.fails {
			r.check(e, r)
		}
	}
	return e.fails
}

type evaluation struct {
	inv      *inventory.Inventory
	c        Config
	now      time.Time
	findings []Finding
	asked    bool // only whether a finding fails
	fails    bool
}

// add completes a finding with what its rule says.
func (e *evaluation) add(r Rule, f Finding, key ...string) {
	if e.fails {
		return
	}
	f.Rule = r.ID
	if f.Severity == "" {
		f.Severity = r.Severity
	}
	if f.Remedy == nil {
		f.Remedy = slices.Clone(r.Remedy) // a caller may change its finding, never the rule
	}
	f.Fingerprint = fingerprint(append([]string{r.ID}, key...)...)
	if e.asked {
		e.fails = f.Severity.AtLeast(e.c.Threshold) && e.exception(f) == nil
		return
	}
	e.findings = append(e.findings, f)
}

func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// distinguish numbers the findings that would share a fingerprint, such as two commands of one step that sign in
// with the same secret: code scanning would show them as one. The first keeps its own.
func (e *evaluation) distinguish() {
	seen := map[string]int{}
	for i := range e.findings {
		f := &e.findings[i]
		n := seen[f.Fingerprint]
		seen[f.Fingerprint]++
		if n > 0 {
			f.Fingerprint = fingerprint(f.Fingerprint, fmt.Sprint(n))
		}
	}
}

func (e *evaluation) except() {
	for i := range e.findings {
		e.findings[i].Excepted = e.exception(e.findings[i])
	}
}

// exception gives the first exception that a finding falls under, or nil.
func (e *evaluation) exception(f Finding) *Exception {
	for _, x := range e.c.Exceptions {
		if x.matches(f) && x.holds(e.now) {
			return &x
		}
	}
	return nil
}

// holds tells whether the exception is still in force. A date without a time includes its whole day.
func (x Exception) holds(now time.Time) bool {
	until := x.Until
	if until.IsZero() {
		return true
	}
	if until.Equal(until.Truncate(24 * time.Hour)) {
		until = until.Add(24 * time.Hour)
	}
	return now.Before(until)
}

func (x Exception) matches(f Finding) bool {
	if x.Rule != "" && x.Rule != f.Rule {
		return false
	}
	if x.Object == "" {
		return true
	}
	for _, s := range []string{f.Object, string(f.Repository), f.File} {
		if ok, err := path.Match(strings.ToLower(x.Object), strings.ToLower(s)); err == nil && ok {
			return true
		}
	}
	return false
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02") }
