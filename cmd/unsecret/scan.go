package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/policy"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/reports"
)

type scanOptions struct {
	local           string
	azureDevOps     []string
	github          []string
	entra           string
	allApplications bool
	fresh           bool
	output          string
}

func newScan(a *app) *cobra.Command {
	o := scanOptions{}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Find every credential and login; reads only",
		Long: `Reads Azure DevOps organisations, GitHub organisations or repositories and an Entra
tenant, and writes what it finds to inventory.json in the state directory. It changes
nothing: requests that are not known to be reads are refused before they are sent.
What cannot be read is listed as a gap, never taken for clean.

A scan that was interrupted, or that a service did not answer to the end, is continued by the
next one of the same sources: what it has read is not read again unless it has changed since.
--fresh reads everything.

With --local it reads the workflow files of a checkout or any other folder. That
needs no network and no account, and writes no state.

Without flags the sources are those of the configuration file. Ends with 5 if there are gaps; with --local else
with 3 if a login is a finding at or above the threshold; and with 0 otherwise.`,
		Example: `  unsecret scan --local .
  unsecret scan --azure-devops contoso --github contoso \
      --entra contoso.onmicrosoft.com
  unsecret scan --github contoso/shop,contoso/infra -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.scan(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.local, "local", "", "scan the workflow files below a `path`: a checkout, any other folder, or one file")
	f.StringSliceVar(&o.azureDevOps, "azure-devops", nil, "Azure DevOps `organisations`")
	f.StringSliceVar(&o.github, "github", nil, "GitHub organisations, users or `OWNER/NAME` repositories")
	f.StringVar(&o.entra, "entra", "", "Entra `tenant` id")
	f.BoolVar(&o.allApplications, "all-apps", false, "read every application of the tenant, not only those that something names")
	f.BoolVar(&o.fresh, "fresh", false, "read everything, also what an interrupted scan has read already")
	for _, other := range []string{"azure-devops", "github", "entra", "all-apps", "fresh"} {
		cmd.MarkFlagsMutuallyExclusive("local", other)
	}
	outputFlag(cmd, &o.output, "table", "json", "sarif")
	return cmd
}

func (a *app) scan(cmd *cobra.Command, o scanOptions) error {
	if err := checkOutput(o.output, "table", "json", "sarif"); err != nil {
		return err
	}
	if o.local != "" {
		return a.scanLocal(cmd, o)
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	c.merge(o)
	set, err := a.connect(cmd.Context(), c, true)
	if err != nil {
		return err
	}
	if len(set.sources.AzureDevOps) == 0 && len(set.sources.GitHub) == 0 && set.sources.Entra == nil {
		return usageErrorf("nothing to scan: name a source (--local, --azure-devops, --github, --entra) or put it into %s", defaultConfigFile)
	}
	// A state directory that cannot be written should be known before an hour of reading.
	if err := a.makeState(); err != nil {
		return err
	}
	parts, err := a.openParts(c, set, o.fresh)
	if err != nil {
		return err
	}
	allowGarbage(func() {})
	p := a.progress()
	inv, err := scan.Run(cmd.Context(), set.sources, scan.Options{
		Tool: toolName(), Now: set.now, Progress: p.update, Parts: parts,
		Applications: c.applications(), AllApplications: c.Entra.AllApplications, Targets: c.Plan.TargetNames(),
		SignInWindow: time.Duration(c.Scan.SignInDays) * 24 * time.Hour,
	})
	p.done()
	set.report(a)
	if err != nil {
		a.keepParts(parts)
		return fmt.Errorf("scan: %w", err)
	}
	if err := a.save(inventoryFile, inv); err != nil {
		a.keepParts(parts)
		return err
	}
	a.finishParts(parts)
	return a.showScan(inv, c, o.output, a.statePath(inventoryFile))
}

func (c *config) merge(o scanOptions) {
	if len(o.azureDevOps) > 0 || len(o.github) > 0 || o.entra != "" {
		c.AzureDevOps.Organizations, c.GitHub.Organizations, c.GitHub.Repositories = o.azureDevOps, nil, nil
		for _, g := range o.github {
			if strings.Contains(g, "/") {
				c.GitHub.Repositories = append(c.GitHub.Repositories, inventory.RepositoryName(g))
			} else {
				c.GitHub.Organizations = append(c.GitHub.Organizations, g)
			}
		}
		if o.entra != "" {
			c.Entra.Tenant = o.entra
		}
	}
	c.Entra.AllApplications = c.Entra.AllApplications || o.allApplications
}

// applications gives the client ids that the mapping names.
func (c *config) applications() []inventory.AppID {
	var ids []inventory.AppID
	for _, m := range c.Plan.Mapping {
		ids = append(ids, m.AppID)
	}
	return ids
}

func (a *app) scanLocal(cmd *cobra.Command, o scanOptions) error {
	go func() { // beside the listing of the files, for which one processor is enough
		defer crash.Report()
		giveBackStart()
	}()
	allowGarbage(giveBackStart)
	inv, err := scan.Local(cmd.Context(), o.local, scan.Options{Tool: toolName()})
	if err != nil {
		if cmd.Context().Err() != nil {
			return err
		}
		return usageErrorf("%w", err)
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	annotate(a.std.err, inv, scan.Base(o.local))
	return a.showScan(inv, c, o.output, "")
}

// showScan renders an inventory and gives the exit code: partly done with gaps, findings at or above the threshold otherwise.
func (a *app) showScan(inv *inventory.Inventory, c *config, output, saved string) error {
	switch output {
	case "json":
		if err := a.printJSON(inv); err != nil {
			return err
		}
	case "sarif":
		if err := reports.SARIF(a.std.out, reports.Input{Inventory: inv, Findings: policy.Evaluate(inv, c.Check), Tool: build.Version()}); err != nil {
			return err
		}
	default:
		printScan(a.std.out, inv, saved)
	}
	switch {
	case len(inv.Gaps) > 0:
		return exitWith(exitPartly)
	case saved == "" && policy.Fails(inv, c.Check):
		return exitWith(exitFindings)
	}
	return nil
}

func printScan(w io.Writer, inv *inventory.Inventory, saved string) {
	printLogins(w, inv.Logins)
	printConnections(w, inv.Connections)
	printGaps(w, inv.Gaps)
	fmt.Fprintln(w, scanSummary(inv))
	if saved != "" {
		fmt.Fprintf(w, "Written to %s. Next: unsecret report, or unsecret plan.\n", saved)
	}
}

func printLogins(w io.Writer, logins []inventory.Login) {
	tableOf(w, []string{"LOGIN", "KIND", "CONVERSION", "SECRETS"}, len(logins), func(i int) []string {
		l := logins[i]
		return []string{loginPlace(l) + ":" + strconv.Itoa(l.Line), string(l.Kind), conversionText(l.Conversion), strings.Join(loginSecrets(l), " ")}
	})
	if len(logins) > 0 {
		fmt.Fprintln(w)
	}
}

// loginPlace names the file of a login: in a repository without the folder that all workflows are in.
func loginPlace(l inventory.Login) string {
	if l.Repository == "" {
		return l.File
	}
	return string(l.Repository) + "/" + strings.TrimPrefix(l.File, ".github/workflows/")
}

// conversionText is how a login can be converted, for a reader.
func conversionText(c inventory.Conversion) string {
	if c == inventory.ConversionNone {
		return "no secret"
	}
	return string(c)
}

func loginSecrets(l inventory.Login) []string {
	var names []string
	for _, s := range l.Secrets {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

func printConnections(w io.Writer, list []inventory.Connection) {
	rows := make([][]string, 0, len(list))
	for _, c := range list {
		project := ""
		if len(c.Projects) > 0 {
			project = c.Projects[0].Name
		}
		if len(c.Projects) > 1 {
			project += fmt.Sprintf(" +%d", len(c.Projects)-1)
		}
		rows = append(rows, []string{c.Organization + "/" + c.Name, c.Type, string(c.Class), project})
	}
	slices.SortStableFunc(rows, slices.Compare)
	if len(rows) > 0 {
		table(w, []string{"CONNECTION", "TYPE", "CLASS", "PROJECTS"}, rows)
		fmt.Fprintln(w)
	}
}

// printGaps writes what was not read. Gaps that one action closes stand together above it.
func printGaps(w io.Writer, gaps []inventory.Gap) {
	for i, g := range gaps {
		bullet(w, "not read: ", gapPlace(g))
		if i+1 < len(gaps) && gaps[i+1].Next == g.Next && gaps[i+1].Message == g.Message {
			continue
		}
		paragraph(w, "    ", g.Message)
		if g.Next != "" && (i+1 == len(gaps) || gaps[i+1].Next != g.Next) {
			bullet(w, "    → ", g.Next)
		}
	}
	if len(gaps) > 0 {
		fmt.Fprintln(w)
	}
}

func gapPlace(g inventory.Gap) string {
	place := g.Object
	if g.File != "" && g.File != g.Object {
		place += " " + g.File
	}
	if g.Line > 0 {
		place += fmt.Sprintf(":%d", g.Line)
	}
	return place
}

// scanSummary gives one line of counts, such as "3 logins (2 automatic, 1 manual) in 2 repositories, 1 connection, 0 gaps.". Expressions that no text
// decides are no gaps of the scan, and keep connections from being known to be unused all the same.
func scanSummary(inv *inventory.Inventory) string {
	byConversion := map[inventory.Conversion]int{}
	files := map[string]bool{}
	for _, l := range inv.Logins {
		byConversion[l.Conversion]++
		files[string(l.Repository)+"/"+l.File] = true
	}
	var parts []string
	for _, c := range []inventory.Conversion{inventory.ConversionAutomatic, inventory.ConversionAssisted, inventory.ConversionManual, inventory.ConversionNone} {
		if n := byConversion[c]; n > 0 {
			name := string(c)
			if c == inventory.ConversionNone {
				name = "without a secret"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	s := plural(len(inv.Logins), "login")
	if len(parts) > 0 {
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	s += " in " + plural(len(files), "file")
	if n := len(inv.Repositories); n > 0 {
		s += " of " + plural(n, "repository")
	}
	if n := len(inv.Connections); n > 0 {
		s += ", " + plural(n, "connection")
	}
	if n := len(inv.Identities); n > 0 {
		s += ", " + plural(n, "application")
	}
	if n := len(inv.Mentions); n > 0 {
		s += ", " + plural(n, "mention")
	}
	s += ", " + plural(len(inv.Gaps), "gap")
	if n := len(inv.Unresolved); n > 0 {
		s += ", " + plural(n, "expression") + " that may name a connection (unsecret list gaps)"
	}
	return strings.Join(wrap(s+".", lineWidth), "\n")
}

// annotate writes a workflow command for each login that uses a secret and for each gap, when it runs inside GitHub
// Actions, so that they appear on the lines of a pull request (GitHub Docs, "Workflow commands for GitHub Actions").
// The runner reads them on stderr as well. Paths must be relative to the workspace.
func annotate(w io.Writer, inv *inventory.Inventory, base string) {
	if !insideActions() {
		return
	}
	logins := slices.Clone(inv.Logins)
	slices.SortStableFunc(logins, func(a, b inventory.Login) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	for _, l := range logins {
		if policy.UsesSecret(l) {
			fmt.Fprintf(w, "::warning file=%s,line=%d,col=%d,title=%s::%s\n", commandProperty(workspacePath(base, l.File)), l.Line, l.Column,
				commandProperty("Stored Azure credential"), commandData(fmt.Sprintf("%s (%s): %s", l.Kind, l.Conversion, l.Reason)))
		}
	}
	for _, g := range inv.Gaps {
		fmt.Fprintf(w, "::warning file=%s,line=%d,title=%s::%s\n", commandProperty(workspacePath(base, g.File)), max(g.Line, 1),
			commandProperty("Not read"), commandData(g.Message))
	}
}

// workspacePath gives a file's path below the workspace of the running job, or as it is where it is outside.
func workspacePath(base, file string) string {
	abs, err := filepath.Abs(filepath.Join(base, filepath.FromSlash(file)))
	if err != nil {
		return file
	}
	rel, err := filepath.Rel(os.Getenv("GITHUB_WORKSPACE"), abs)
	if err != nil || !filepath.IsLocal(rel) {
		return filepath.ToSlash(abs)
	}
	return filepath.ToSlash(rel)
}

// insideActions tells whether the program runs in a GitHub Actions job.
func insideActions() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

var (
	commandEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func commandData(s string) string     { return commandEscapes.Replace(s) }
func commandProperty(s string) string { return propertyEscapes.Replace(s) }
