package reports

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

//go:embed report.html.tmpl
var htmlSource string

// htmlTemplate is parsed when the first report is made: parsing takes longer than all else that happens when a program
// that has this package starts.
var htmlTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"place":   func(f policy.Finding) string { return clip(place(f)) },
		"line":    func(v any) string { return clip(fmt.Sprint(v)) },
		"date":    func(t time.Time) string { return orDash(t, "2006-01-02") },
		"minute":  func(t time.Time) string { return orDash(t, "2006-01-02 15:04 UTC") },
		"join":    func(list []string) string { return clip(strings.Join(list, "; ")) },
		"count":   count,
		"secrets": secretList,
		"where":   connectionPlaces,
		"stored":  storedClass,
		"live":    func(c inventory.Credential, at time.Time) bool { return c.End.IsZero() || c.End.After(at) },
		"last":    lastUse,
		"signIn":  lastSignIn,
		"secret":  policy.UsesSecret,
	}).Parse(htmlSource))
})

// page is what the template sees.
type page struct {
	Input
	Summary  Summary
	Known    string // the headline: what was found
	Others   string // what else is stored, which nothing here migrates
	Unknown  string // and what was not
	Outdated bool   // something was changed since the scan
	Worst    []worst
	Next     []string
	Order    []severityCount
	Groups   []ruleGroup
	Excepted []policy.Finding
	Units    []unitRow

	kept func(inventory.Connection) string // why a connection may stay on the old issuer
	Left []plan.Left
}

type severityCount struct {
	Severity policy.Severity
	Count    int
}

func newPage(in Input) page {
	p := page{Input: in, Summary: Summarize(in), Groups: byRule(in.Findings), Units: unitRows(in), kept: in.Inventory.OldIssuerKept()}
	p.Known, p.Others, p.Unknown, p.Outdated = known(p.Summary), others(p.Summary), unknown(p.Summary), in.outdated()
	p.Worst, p.Next = worstFirst(p.Groups), nextSteps(in, p.Summary, p.Units)
	for _, s := range policy.Severities() {
		p.Order = append(p.Order, severityCount{s, p.Summary.Findings[s]})
	}
	for _, f := range in.Findings {
		if f.Excepted != nil {
			p.Excepted = append(p.Excepted, f)
		}
	}
	if in.Plan != nil {
		p.Left = in.Plan.Left
	}
	return p
}

// HTML writes one self-contained page: no script, no request to anywhere, readable in light and dark and on paper.
func HTML(w io.Writer, in Input) error {
	out := bufio.NewWriter(w)
	if err := htmlTemplate().Execute(out, newPage(in)); err != nil {
		return fmt.Errorf("write the HTML report: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the HTML report: %w", err)
	}
	return nil
}

func orDash(t time.Time, layout string) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format(layout)
}

func secretList(l inventory.Login) string {
	var names []string
	seen := map[string]bool{}
	for _, s := range l.Secrets {
		if !seen[s.Name] {
			seen[s.Name] = true
			names = append(names, s.Name)
		}
	}
	return clip(strings.Join(names, ", "))
}

func connectionPlaces(c inventory.Connection) string {
	names := make([]string, 0, len(c.Projects))
	for _, p := range c.Projects {
		names = append(names, p.Name)
	}
	return clip(c.Organization + ": " + strings.Join(names, ", "))
}

// Class is what a connection is, for a reader: of the old issuer it says until when it works.
func (p page) Class(c inventory.Connection) string {
	class, _ := inventory.ClassifyConnection(c)
	switch {
	case class != inventory.ClassFederatedOld:
		return string(class)
	case p.kept(c) != "":
		return string(class) + ", which is excluded from its retirement"
	}
	return string(class) + ", until 2027-07-01"
}

// storedClass is how a connection's scheme is shown: one that stores a service principal's credential, or another one, stands out.
func storedClass(c inventory.Connection) string {
	switch {
	case c.StoresServicePrincipal():
		return "high"
	case c.StoresOther():
		return "medium"
	}
	return ""
}

// Connections are those of the inventory by place and name.
func (p page) Connections() []inventory.Connection {
	out := slices.Clone(p.Inventory.Connections)
	slices.SortStableFunc(out, func(a, b inventory.Connection) int {
		return strings.Compare(strings.ToLower(a.Place()+"/"+a.Name), strings.ToLower(b.Place()+"/"+b.Name))
	})
	return out
}

func lastUse(c inventory.Connection) string {
	if !c.UsesKnown {
		return "not known"
	}
	if len(c.Uses) == 0 {
		return "never"
	}
	var last time.Time
	for _, u := range c.Uses {
		if u.Finished.After(last) {
			last = u.Finished
		}
	}
	if last.IsZero() {
		return "running"
	}
	return last.UTC().Format("2006-01-02")
}

// lastSignIn tells when a credential was last seen in the sign-in log, as far as that is known.
func lastSignIn(id inventory.Identity, key inventory.KeyID) string {
	if !id.SignIns.Known {
		return "not known"
	}
	var last time.Time
	for _, s := range id.SignIns.SignIns {
		if strings.EqualFold(string(s.KeyID), string(key)) && s.ErrorCode == 0 && s.Time.After(last) {
			last = s.Time
		}
	}
	i := slices.IndexFunc(id.Credentials, func(c inventory.Credential) bool { return strings.EqualFold(string(c.KeyID), string(key)) })
	if last.IsZero() && i >= 0 && id.Unnamed(id.Credentials[i]) {
		return "not known"
	}
	if last.IsZero() {
		return "none since " + id.SignIns.Since.UTC().Format("2006-01-02")
	}
	return last.UTC().Format("2006-01-02")
}
