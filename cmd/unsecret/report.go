package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/policy"
	"github.com/unsecret-dev/unsecret/reports"
)

type reportOptions struct {
	format string
	file   string
}

var reportFormats = map[string]func(io.Writer, reports.Input) error{
	"html": reports.HTML, "sarif": reports.SARIF, "json": reports.JSON, "csv": reports.CSV, "markdown": reports.Markdown,
}

func newReport(a *app) *cobra.Command {
	o := reportOptions{}
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write a report of the last scan, the plan and where it stands",
		Long: `Renders the inventory of the last scan with its findings, and where they exist the
plan and the state of its units. The HTML report is one self-contained file: no network,
no script, in light and dark and on paper. Nothing outside is read or changed.`,
		Example: `  unsecret report --format html --file report.html
  unsecret report --format markdown >> "$GITHUB_STEP_SUMMARY"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.report(o) },
	}
	cmd.Flags().StringVar(&o.format, "format", "html", "`format`: html, sarif, json, csv or markdown")
	cmd.Flags().StringVar(&o.file, "file", "", "write to a `file` instead of stdout")
	return cmd
}

func (a *app) report(o reportOptions) error {
	render, ok := reportFormats[o.format]
	if !ok {
		return usageErrorf("invalid argument %q for --format: it must be html, sarif, json, csv or markdown", o.format)
	}
	in, err := a.reportInput()
	if err != nil {
		return err
	}
	if o.file == "" {
		return render(a.std.out, in)
	}
	var b bytes.Buffer
	if err := render(&b, in); err != nil {
		return err
	}
	if err := writeFile(o.file, b.Bytes()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if !a.quiet {
		fmt.Fprintf(a.std.err, "Written to %s.\n", clean(o.file))
	}
	return nil
}

// reportInput collects what the state directory holds. Only the inventory must be there.
func (a *app) reportInput() (reports.Input, error) {
	c, err := a.config()
	if err != nil {
		return reports.Input{}, err
	}
	inv, err := a.loadInventory()
	if err != nil {
		return reports.Input{}, err
	}
	in := reports.Input{Tool: build.Version(), Inventory: inv, Findings: policy.Evaluate(inv, c.Check)}
	if there, err := a.has(planFile); err == nil && !there {
		return in, nil
	}
	if in.Plan, err = a.loadPlan(); err != nil {
		return in, err
	}
	if in.Progress, err = a.unitProgress(in.Plan); err != nil {
		return in, err
	}
	records, plans, _, err := a.past()
	if err != nil {
		return in, err
	}
	in.Plan, in.ChangedAt = execute.Present(in.Plan, records, plans), lastChange(records)
	return in, nil
}

// lastChange gives the time of the last record of a change, and zero if there is none.
func lastChange(records []execute.Record) time.Time {
	for _, r := range slices.Backward(records) {
		if r.Phase == execute.PhaseDone || r.Phase == execute.PhaseUndone {
			return r.Time
		}
	}
	return time.Time{}
}

func newCheck(a *app) *cobra.Command {
	o := struct{ output, threshold string }{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Judge the last scan by the rules; for schedulers",
		Long: `Evaluates the rules over the inventory of the last scan and ends with 3 if a finding is
at or above the threshold and not excepted by the configuration, with 5 if the scan has
gaps, and with 0 otherwise. Nothing outside is read or changed: run scan before it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.check(o.output, o.threshold) },
	}
	cmd.Flags().StringVar(&o.threshold, "threshold", "", "lowest `severity` that counts: critical, high, medium, low or info (default: check.threshold of the configuration, else high)")
	outputFlag(cmd, &o.output, "table", "json", "sarif")
	return cmd
}

// checkResult is what check prints as JSON.
type checkResult struct {
	Threshold policy.Severity  `json:"threshold"`
	Failing   []policy.Finding `json:"failing"`
	Findings  int              `json:"findings"`
	Excepted  int              `json:"excepted"`
	Gaps      []inventory.Gap  `json:"gaps"`
}

func (a *app) check(output, threshold string) error {
	if err := checkOutput(output, "table", "json", "sarif"); err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	if threshold != "" {
		c.Check.Threshold = policy.Severity(threshold)
		if err := c.Check.Validate(); err != nil {
			return usageErrorf("invalid argument %q for --threshold: it must be critical, high, medium, low or info", threshold)
		}
	}
	inv, err := a.loadInventory()
	if err != nil {
		return err
	}
	findings := policy.Evaluate(inv, c.Check)
	r := checkResult{Threshold: c.Check.WithDefaults().Threshold, Failing: policy.Failing(findings, c.Check), Findings: len(findings), Gaps: inv.Gaps}
	for _, f := range findings {
		if f.Excepted != nil {
			r.Excepted++
		}
	}
	if err := a.showCheck(r, inv, findings, output); err != nil {
		return err
	}
	annotateFindings(a.std.err, r.Failing)
	switch {
	case len(r.Failing) > 0:
		return exitWith(exitFindings)
	case len(r.Gaps) > 0:
		return exitWith(exitPartly)
	}
	return nil
}

func (a *app) showCheck(r checkResult, inv *inventory.Inventory, findings []policy.Finding, output string) error {
	switch output {
	case "json":
		if r.Failing == nil {
			r.Failing = []policy.Finding{}
		}
		return a.printJSON(r)
	case "sarif":
		return reports.SARIF(a.std.out, reports.Input{Tool: build.Version(), Inventory: inv, Findings: findings})
	}
	for _, f := range r.Failing {
		printFinding(a.std.out, f)
	}
	if len(r.Failing) > 0 {
		fmt.Fprintln(a.std.out)
	}
	printGaps(a.std.out, r.Gaps)
	paragraph(a.std.out, "", fmt.Sprintf("%s at or above %s, %d in all, %d excepted, %s.", plural(len(r.Failing), "finding"), r.Threshold, r.Findings, r.Excepted, plural(len(r.Gaps), "gap")))
	return nil
}

// printFinding writes where a rule is broken and how. What to do is the same for each rule, so it is left to the reports.
func printFinding(w io.Writer, f policy.Finding) {
	bullet(w, fmt.Sprintf("%-8s  ", f.Severity), f.Rule+" at "+findingPlace(f))
	paragraph(w, "          ", f.Message)
}

func findingPlace(f policy.Finding) string {
	switch {
	case f.File == "":
		return f.Object
	case f.Repository == "":
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s/%s:%d", f.Repository, f.File, f.Line)
}

// annotateFindings writes a workflow command for each finding that counts, when it runs inside GitHub Actions. They
// are in other repositories or systems, so they stand at no line.
func annotateFindings(w io.Writer, failing []policy.Finding) {
	if !insideActions() {
		return
	}
	for _, f := range failing {
		level := "warning"
		if f.Severity.AtLeast(policy.High) {
			level = "error"
		}
		fmt.Fprintf(w, "::%s title=%s::%s\n", level, commandProperty(f.Rule), commandData(findingPlace(f)+": "+f.Message))
	}
}
