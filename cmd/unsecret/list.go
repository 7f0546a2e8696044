package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// listOptions are the filters of list. Each applies to some of what can be listed.
type listOptions struct {
	typ, scheme, kind, conversion, repository, severity string
	classes                                             []string
	expires                                             string
	unused                                              bool
	output                                              string
}

// listing is one thing that can be listed, and the filters that apply to it.
type listing struct {
	name    string
	filters []string
	list    func(*lister) (head []string, rows [][]string, values []any)
}

var listings = []listing{
	{"connections", []string{"type", "scheme", "class", "severity", "unused"}, (*lister).connections},
	{"identities", []string{"severity", "unused"}, (*lister).identities},
	{"credentials", []string{"type", "severity", "expires-within", "unused"}, (*lister).credentials},
	{"logins", []string{"kind", "conversion", "repository", "severity"}, (*lister).logins},
	{"secrets", []string{"kind", "repository", "unused"}, (*lister).secrets},
	{"gaps", []string{"kind", "repository"}, (*lister).gaps},
}

// kindsOf are the kinds of what can be listed by them, in lower case.
var kindsOf = map[string][]string{
	"secrets": {string(inventory.LevelOrganization), string(inventory.LevelRepository), string(inventory.LevelEnvironment), string(inventory.LevelDependabot), inventory.PipelineSecretVariable,
		inventory.PipelineSecretGroup, inventory.PipelineSecretVault, inventory.PipelineSecretSecureFile, inventory.PipelineSecretScript},
	"gaps": {strings.ToLower(string(inventory.SourceAzureDevOps)), string(inventory.SourceGitHub), string(inventory.SourceEntra), string(inventory.SourceAzure), string(inventory.SourceLocal)},
}

func newList(a *app) *cobra.Command {
	o := listOptions{}
	var names []string
	for _, l := range listings {
		names = append(names, l.name)
	}
	cmd := &cobra.Command{
		Use:   "list " + strings.Join(names, "|"),
		Short: "List objects of the last scan, with filters",
		Long: `Lists objects of the last scan's inventory. Filters narrow the list; each says below what it
applies to. Of ids the table shows the beginning, which show and why take as well; -o json
has them whole. Reads the state directory alone.`,
		Example: `  unsecret list connections --scheme ServicePrincipal --unused
  unsecret list credentials --expires-within 30d
  unsecret list logins --conversion manual --repository 'contoso/*'`,
		ValidArgs: names,
		Args:      cobra.ExactArgs(1),
		RunE:      func(cmd *cobra.Command, args []string) error { return a.list(cmd, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.typ, "type", "", "connections: such as azurerm; credentials: password or certificate")
	f.StringVar(&o.scheme, "scheme", "", "connections: such as ServicePrincipal")
	f.StringSliceVar(&o.classes, "class", nil, "connections: such as azure-key-manual or federated-old-issuer; several with commas")
	f.StringVar(&o.kind, "kind", "", "logins: such as azure-login-creds; secrets: organization, repository, environment, dependabot, variable, variable-group, key-vault, secure-file, script; gaps: the source")
	f.StringVar(&o.conversion, "conversion", "", "logins: none, automatic, assisted, manual")
	f.StringVar(&o.repository, "repository", "", "logins, secrets, gaps: a `glob` of OWNER/NAME")
	f.StringVar(&o.severity, "severity", "", "connections, identities, credentials, logins: with a finding of this `severity`, or worse")
	f.StringVar(&o.expires, "expires-within", "", "credentials: that work now and end within a `time` such as 30d")
	f.BoolVar(&o.unused, "unused", false, "connections, identities, credentials: known not to be used; secrets: that no login reads")
	outputFlag(cmd, &o.output, "table", "json")
	return cmd
}

func (a *app) list(cmd *cobra.Command, what string, o listOptions) error {
	i := slices.IndexFunc(listings, func(l listing) bool { return l.name == what })
	if i < 0 {
		return usageErrorf("invalid argument %q: list one of %s", what, strings.Join(cmd.ValidArgs, ", "))
	}
	for _, name := range []string{"type", "scheme", "class", "kind", "conversion", "repository", "severity", "expires-within", "unused"} {
		if cmd.Flags().Changed(name) && !slices.Contains(listings[i].filters, name) {
			return usageErrorf("--%s does not apply to %s: its filters are --%s", name, what, strings.Join(listings[i].filters, ", --"))
		}
	}
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	// What nothing can be of is a mistake, not an empty list.
	if kinds, ok := kindsOf[what]; ok {
		if err := oneOf("--kind", strings.ToLower(o.kind), append([]string{""}, kinds...)...); err != nil {
			return usageErrorf("%w", err)
		}
	}
	l, err := a.lister(o)
	if err != nil {
		return err
	}
	head, rows, values := listings[i].list(l)
	if o.output == "json" {
		return a.printJSON(values)
	}
	table(a.std.out, head, rows)
	if len(rows) == 0 {
		fmt.Fprintf(a.std.out, "No %s.\n", what)
	}
	return nil
}

// lister holds an inventory and the filters to list it with.
type lister struct {
	inv      *inventory.Inventory
	findings []policy.Finding
	o        listOptions
	check    policy.Config
	now      time.Time
	until    time.Time                   // of --expires-within
	classes  []inventory.ConnectionClass // of --class; none: all
}

func (a *app) lister(o listOptions) (*lister, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	l := &lister{o: o, check: c.Check.WithDefaults(), now: time.Now()}
	if o.expires != "" {
		var d plan.Duration
		if err := d.UnmarshalText([]byte(o.expires)); err != nil {
			return nil, usageErrorf("--expires-within: %w", err)
		}
		l.until = l.now.Add(time.Duration(d))
	}
	if o.severity != "" && !slices.Contains(policy.Severities(), policy.Severity(o.severity)) {
		return nil, usageErrorf("invalid argument %q for --severity: it must be one of critical, high, medium, low, info", o.severity)
	}
	if _, err := path.Match(o.repository, ""); err != nil {
		return nil, usageErrorf("--repository %q: %w", o.repository, err)
	}
	for _, name := range o.classes {
		class := inventory.ConnectionClass(strings.ToLower(strings.TrimSpace(name)))
		if class == "" {
			continue
		}
		if !slices.Contains(inventory.Classes(), class) {
			return nil, usageErrorf("invalid argument %q for --class: it must be one of %s", class, joinClasses(inventory.Classes()))
		}
		l.classes = append(l.classes, class)
	}
	if err := oneOf("--conversion", o.conversion, "", "none", "automatic", "assisted", "manual"); err != nil {
		return nil, usageErrorf("%w", err)
	}
	if l.inv, err = a.loadInventory(); err != nil {
		return nil, err
	}
	if o.severity != "" {
		l.findings = policy.Evaluate(l.inv, c.Check)
	}
	return l, nil
}

// is tells whether a filter that was given, if it was, has a value, without case.
func is(filter, value string) bool { return filter == "" || strings.EqualFold(filter, value) }

func (l *lister) inRepository(name string) bool {
	if l.o.repository == "" {
		return true
	}
	ok, err := path.Match(strings.ToLower(l.o.repository), strings.ToLower(name))
	return err == nil && ok
}

// severe tells whether an object has a finding that --severity asks for.
func (l *lister) severe(o inventory.Object) bool {
	if l.o.severity == "" {
		return true
	}
	return slices.ContainsFunc(policy.About(l.findings, l.inv, o), func(f policy.Finding) bool { return f.Severity.AtLeast(policy.Severity(l.o.severity)) })
}

func joinClasses(list []inventory.ConnectionClass) string {
	var names []string
	for _, class := range list {
		names = append(names, string(class))
	}
	return strings.Join(names, ", ")
}

func (l *lister) connections() (head []string, rows [][]string, values []any) {
	for _, i := range byName(l.inv.Connections, func(c inventory.Connection) string { return c.Place() + "/" + c.Name }) {
		c := l.inv.Connections[i]
		class, _ := inventory.ClassifyConnection(c)
		if !is(l.o.typ, c.Type) || !is(l.o.scheme, c.Scheme) || len(l.classes) > 0 && !slices.Contains(l.classes, class) || l.o.unused && !l.unused(c) || !l.severe(l.inv.ConnectionObject(i)) {
			continue
		}
		last := "unknown"
		if use, ended := c.LastUse(); ended {
			last = dayText(use.Finished)
		} else if c.UsesKnown && len(c.Uses) == 0 {
			last = "never"
		}
		rows = append(rows, []string{c.Place() + "/" + c.Name, shortID(string(c.ID)), c.Type, string(class), last})
		values = append(values, c)
	}
	return []string{"CONNECTION", "ID", "TYPE", "CLASS", "LAST USE"}, rows, orEmpty(values)
}

// byName gives the indexes of a list in the order of its names, without case.
func byName[T any](list []T, name func(T) string) []int {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(strings.ToLower(name(list[a])), strings.ToLower(name(list[b])))
	})
	return order
}

// unused tells whether a connection is known not to be used.
func (l *lister) unused(c inventory.Connection) bool {
	unused, known := c.Unused(l.inv.ScannedAt, time.Duration(l.check.UnusedDays)*24*time.Hour)
	return unused && known
}

// shortID is the beginning of a GUID, which show and why take for the whole.
func shortID(id string) string { return id[:min(len(id), inventory.ShortID)] }

// orEmpty makes JSON's [] of no values.
func orEmpty(values []any) []any {
	if values == nil {
		return []any{}
	}
	return values
}

func (l *lister) identities() (head []string, rows [][]string, values []any) {
	for _, i := range byName(l.inv.Identities, func(id inventory.Identity) string { return id.DisplayName }) {
		id := l.inv.Identities[i]
		if l.o.unused && !id.Unused() || !l.severe(l.inv.IdentityObject(i)) {
			continue
		}
		stored := 0
		for _, c := range id.Credentials {
			if !id.SAMLSigning(c) {
				stored++
			}
		}
		rows = append(rows, []string{id.DisplayName, shortID(string(id.AppID)), strconv.Itoa(stored), strconv.Itoa(len(id.FederatedCredentials)), signInText(id, id.LastSignIn())})
		values = append(values, id)
	}
	return []string{"IDENTITY", "CLIENT", "STORED", "FEDERATED", "LAST SIGN-IN"}, rows, orEmpty(values)
}

// signInText is a last sign-in for a table: a day, "none" where the log shows none, else "unknown".
func signInText(id inventory.Identity, last time.Time) string {
	switch {
	case !last.IsZero():
		return dayText(last)
	case id.SignIns.Known:
		return "none"
	}
	return "unknown"
}

// credentialUse is when a credential was used last, as far as the log tells which one was.
func credentialUse(id inventory.Identity, c inventory.Credential) string {
	if c.LastSignIn.IsZero() && id.Unnamed(c) {
		return "unknown"
	}
	return signInText(id, c.LastSignIn)
}

// listedCredential is a credential with whose it is, for JSON.
type listedCredential struct {
	inventory.Credential
	AppID    inventory.AppID `json:"appId"`
	Identity string          `json:"identity"`
	SAML     bool            `json:"samlSigning,omitempty"`
}

func (l *lister) credentials() (head []string, rows [][]string, values []any) {
	for _, i := range byName(l.inv.Identities, func(id inventory.Identity) string { return id.DisplayName }) {
		id := l.inv.Identities[i]
		for n, c := range id.Credentials {
			if !l.wantsCredential(id, c, i, n) {
				continue
			}
			typ := string(c.Type)
			if id.SAMLSigning(c) {
				typ = "SAML signing"
			}
			rows = append(rows, []string{id.DisplayName, shortID(string(c.KeyID)), typ, dayText(c.End), credentialUse(id, c)})
			values = append(values, listedCredential{c, id.AppID, id.DisplayName, id.SAMLSigning(c)})
		}
	}
	return []string{"IDENTITY", "KEY", "TYPE", "ENDS", "LAST SIGN-IN"}, rows, orEmpty(values)
}

func (l *lister) wantsCredential(id inventory.Identity, c inventory.Credential, i, n int) bool {
	expires := l.until.IsZero() || c.Live(l.now) && !c.End.IsZero() && !c.End.After(l.until)
	unused := !l.o.unused || id.UnusedCredential(c) && !id.SAMLSigning(c)
	return is(l.o.typ, string(c.Type)) && expires && unused && l.severe(l.inv.CredentialObject(i, n))
}

func (l *lister) logins() (head []string, rows [][]string, values []any) {
	for i, x := range l.inv.Logins {
		if !is(l.o.kind, string(x.Kind)) || !is(l.o.conversion, string(x.Conversion)) || !l.inRepository(string(x.Repository)) || !l.severe(l.inv.LoginObject(i)) {
			continue
		}
		rows = append(rows, []string{fmt.Sprintf("%s:%d:%d", loginPlace(x), x.Line, x.Column), string(x.Kind), conversionText(x.Conversion), strings.Join(loginSecrets(x), " ")})
		values = append(values, x)
	}
	return []string{"LOGIN", "KIND", "CONVERSION", "SECRETS"}, rows, orEmpty(values)
}

// listedPipelineSecret is a secret of Azure DevOps with its id and what a person does to be rid of it, for JSON.
type listedPipelineSecret struct {
	inventory.PipelineSecret
	ID    string   `json:"id"`
	Steps []string `json:"steps"`
}

// listedSecret is a secret with its id and how many logins read it, for JSON.
type listedSecret struct {
	inventory.Secret
	ID      string              `json:"id"`
	Readers []inventory.LoginID `json:"readers"`
}

func (l *lister) secrets() (head []string, rows [][]string, values []any) {
	for _, s := range l.inv.Secrets {
		readers := []inventory.LoginID{}
		for _, o := range l.inv.Readers(s) {
			readers = append(readers, inventory.LoginID(o.ID))
		}
		repository := string(s.Repository)
		if s.Level == inventory.LevelOrganization {
			repository = s.Owner + "/*"
		}
		if !is(l.o.kind, string(s.Level)) || !l.inRepository(repository) || l.o.unused && len(readers) > 0 {
			continue
		}
		rows = append(rows, []string{s.Name, s.Ref().Place(), dayText(s.UpdatedAt), plural(len(readers), "login")})
		values = append(values, listedSecret{s, s.Ref().Path(), readers})
	}
	for _, s := range l.inv.PipelineSecrets {
		if !is(l.o.kind, s.Kind) || l.o.repository != "" || l.o.unused {
			continue
		}
		rows = append(rows, []string{s.Name, pipelineSecretPlace(s), "", ""})
		values = append(values, listedPipelineSecret{s, s.SecretID(), l.inv.SecretSteps(s)})
	}
	return []string{"SECRET", "PLACE", "UPDATED", "READ BY"}, rows, orEmpty(values)
}

// pipelineSecretPlace says where a secret of Azure DevOps is.
func pipelineSecretPlace(s inventory.PipelineSecret) string {
	switch s.Kind {
	case inventory.PipelineSecretGroup:
		return "variable group " + s.Text()
	case inventory.PipelineSecretVault:
		return "variable group " + s.Text() + ", from key vault " + s.Vault
	case inventory.PipelineSecretSecureFile:
		return "secure file of project " + s.Project
	case inventory.PipelineSecretScript:
		return "used in " + s.Text()
	}
	return "variable of pipeline " + s.Text()
}

func (l *lister) gaps() (head []string, rows [][]string, values []any) {
	for _, g := range append(slices.Clone(l.inv.Gaps), undecided(l.inv)...) {
		if !is(l.o.kind, string(g.Source)) || !l.gapInRepository(g) {
			continue
		}
		text := g.Message
		if g.Next != "" {
			text += " → " + g.Next
		}
		rows = append(rows, []string{string(g.Source), gapPlace(g), text})
		values = append(values, g)
	}
	return []string{"SOURCE", "NOT READ", "WHY, AND WHAT TO DO"}, rows, orEmpty(values)
}

// undecided are the gaps that a text itself leaves: which connection an expression means.
func undecided(inv *inventory.Inventory) []inventory.Gap {
	var out []inventory.Gap
	for _, u := range inv.Unresolved {
		at := u.PipelinePlace
		at.File = "" // said beside it
		out = append(out, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "connection " + u.Expression + " in " + at.Text(), File: strings.TrimPrefix(u.Repository+"/"+u.File, "/"), Line: u.Line, Column: u.Column,
			Message: u.Reason, Next: "look at what it becomes in a run, or write the connection's name in its place"})
	}
	return out
}

// gapInRepository matches the words of what a gap is about, since a gap names its repository among others.
func (l *lister) gapInRepository(g inventory.Gap) bool {
	return l.o.repository == "" || slices.ContainsFunc(strings.Fields(g.Object), func(word string) bool {
		parts := strings.SplitN(word, "/", 3)
		return l.inRepository(strings.Join(parts[:min(len(parts), 2)], "/"))
	})
}
