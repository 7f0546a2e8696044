package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

type subjectsOptions struct {
	paths           []string
	repository      string
	defaultBranch   string
	immutablePrefix string
	environments    []string
	logins          bool
	output          string
}

func newSubjects(a *app) *cobra.Command {
	o := subjectsOptions{}
	cmd := &cobra.Command{
		Use:   "subjects PATH…",
		Short: "Show which subjects each job's token can carry",
		Long: `Computes for each job of the workflows at PATH the sub claims that its OIDC token can
carry, over all triggers and conditions: exact values where they are finite, patterns where
they are not, with the reasons. These are what federated credentials must trust.

A repository with immutable subjects (those created, renamed or transferred since
2026-07-15, and those that opted in) has another prefix: give the one that
GET /repos/OWNER/NAME/actions/oidc/customization/sub tells as sub_claim_prefix.`,
		Example: `  unsecret subjects .github/workflows --repository contoso/shop \
      --default-branch main
  unsecret subjects . --repository contoso/shop \
      --immutable-prefix repo:contoso@1/shop@2 -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return a.subjects(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.repository, "repository", "", "the repository as `OWNER/NAME`, in its canonical case")
	f.StringVar(&o.defaultBranch, "default-branch", "main", "the repository's default `branch`")
	f.StringVar(&o.immutablePrefix, "immutable-prefix", "", "`prefix` of immutable subjects, such as repo:OWNER@1/NAME@2")
	f.StringSliceVar(&o.environments, "environments", nil, "`names` of the existing environments, for their case")
	f.BoolVar(&o.logins, "logins", false, "only jobs that sign in to Azure")
	outputFlag(cmd, &o.output, "table", "json")
	return cmd
}

// subjectsResult is what subjects prints as JSON.
type subjectsResult struct {
	Prefix string          `json:"prefix,omitempty"` // what stands before each subject, without the colon
	Jobs   []jobSubjects   `json:"jobs"`
	Gaps   []inventory.Gap `json:"gaps"`
}

type jobSubjects struct {
	File        string   `json:"file"`
	Job         string   `json:"job"`
	StartedBy   string   `json:"startedBy,omitempty"` // the workflow that is started, where this one is called by it
	Environment string   `json:"environment"`
	Subjects    []string `json:"subjects"`
	Patterns    []string `json:"patterns"`
	Unbounded   bool     `json:"unbounded"`
	Reasons     []string `json:"reasons"`
}

func (a *app) subjects(ctx context.Context, o subjectsOptions) error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	if owner, name, ok := strings.Cut(o.repository, "/"); o.repository != "" && (!ok || owner == "" || name == "" || strings.Contains(name, "/")) {
		return usageErrorf("invalid argument %q for --repository: it must be OWNER/NAME", o.repository)
	}
	r := subjectsResult{Jobs: []jobSubjects{}, Gaps: []inventory.Gap{}, Prefix: o.immutablePrefix}
	if r.Prefix == "" && o.repository != "" {
		r.Prefix = "repo:" + o.repository
	}
	r.Prefix = strings.TrimSuffix(r.Prefix, ":")
	for _, p := range o.paths {
		trees, gaps, err := scan.AllLocalTrees(ctx, p)
		if err != nil {
			return usageErrorf("%w", err)
		}
		r.Gaps = append(r.Gaps, gaps...)
		for _, t := range trees {
			r.addTree(t, o)
		}
	}
	slices.SortStableFunc(r.Jobs, func(a, b jobSubjects) int { return cmp.Compare(a.File, b.File) })
	if o.output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printSubjects(r)
	}
	if len(r.Gaps) > 0 {
		return exitWith(exitPartly)
	}
	return nil
}

// addTree adds the jobs of one checkout's, or one loose file's, workflows.
func (r *subjectsResult) addTree(t scan.LocalTree, o subjectsOptions) {
	workflows := map[string]*actionlint.Workflow{}
	for _, f := range t.Files {
		if workflow.IsActionPath(f.Path) && !workflow.IsWorkflowPath(f.Path) {
			continue
		}
		w, errs := actionlint.Parse(f.Content)
		if w == nil || len(w.Jobs) == 0 {
			if t.Asked(f.Path) {
				r.Gaps = append(r.Gaps, parseGap(t.Path(f.Path), errs))
			}
			continue
		}
		workflows[f.Path] = w
	}
	signsIn := map[string]bool{}
	if o.logins {
		for _, l := range workflow.Scan(t.Tree, workflow.Options{}).Logins {
			for _, j := range append(l.Jobs, l.Job) {
				signsIn[l.File+"\x00"+j] = true
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(workflows)) {
		if !t.Asked(p) {
			continue
		}
		for _, j := range subject.Jobs(workflows[p], subject.JobOptions{
			DefaultBranch: o.defaultBranch, Path: p, Repository: inventory.RepositoryName(o.repository),
			Callers: subject.CallersOf(p, workflows), Environments: o.environments,
		}) {
			if o.logins && !signsIn[p+"\x00"+j.Job] {
				continue
			}
			r.Jobs = append(r.Jobs, newJobSubjects(t.Path(p), p, j))
		}
	}
}

func newJobSubjects(file, inside string, j inventory.JobSubjects) jobSubjects {
	out := jobSubjects{File: file, Job: j.Job, Environment: j.Environment, Subjects: j.Subjects, Patterns: j.Patterns, Unbounded: j.Unbounded, Reasons: j.Reasons}
	if j.File != "" && j.File != inside {
		out.StartedBy = j.File
	}
	for _, list := range []*[]string{&out.Subjects, &out.Patterns, &out.Reasons} {
		if *list == nil {
			*list = []string{}
		}
	}
	return out
}

func parseGap(file string, errs []*actionlint.Error) inventory.Gap {
	g := inventory.Gap{Source: inventory.SourceLocal, Object: file, File: file, Message: "it is no workflow: it has no jobs", Next: "repair the file and try again"}
	if len(errs) > 0 {
		g.Message, g.Line, g.Column = errs[0].Message, errs[0].Line, errs[0].Column
	}
	return g
}

func (a *app) printSubjects(r subjectsResult) {
	w := a.std.out
	prefix := ""
	if r.Prefix != "" {
		prefix = r.Prefix + ":"
	}
	for _, j := range r.Jobs {
		head := j.File + ", job " + j.Job
		if j.StartedBy != "" {
			head += " (called by " + j.StartedBy + ")"
		}
		paragraph(w, "", head)
		for _, s := range j.Subjects {
			fmt.Fprintf(w, "  %s\n", clean(prefix+s))
		}
		for _, p := range j.Patterns {
			fmt.Fprintf(w, "  %s   (pattern)\n", clean(prefix+p))
		}
		switch {
		case len(j.Subjects)+len(j.Patterns) > 0:
		case j.Unbounded:
			fmt.Fprintln(w, "  any subject: nothing bounds the set")
		default:
			fmt.Fprintln(w, "  no subject: nothing starts this job")
		}
		for i, reason := range j.Reasons { // one for each subject and pattern, so the same one may come again
			if !slices.Contains(j.Reasons[:i], reason) {
				bullet(w, "    · ", reason)
			}
		}
	}
	if len(r.Jobs) > 0 && len(r.Gaps) > 0 {
		fmt.Fprintln(w)
	}
	printGaps(w, r.Gaps)
}
