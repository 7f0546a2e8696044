package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

type rewriteOptions struct {
	paths        []string
	diff, write  bool
	level        string
	ids          string
	permissions  string
	defaults     string
	loginVersion string
	output       string
}

func newRewrite(a *app) *cobra.Command {
	o := rewriteOptions{}
	cmd := &cobra.Command{
		Use:   "rewrite PATH…",
		Short: "Rewrite workflow files to sign in without a secret",
		Long: `Rewrites the workflow and action files at PATH (files, folders or checkouts) so that
they sign in with workload identity federation, by byte edits that leave everything
else as it is. Prints a unified diff; --write changes the files.

Only edits that provably keep the behaviour are made (--level safe). What is left
alone is listed with its reason: also what can only change together with a file that
is not at PATH, such as an action that is handed the credential. No network and no
credential is needed; the identity must trust the workflow before the new version
can sign in: see
` + "`unsecret subjects`" + ` for the subjects to trust.`,
		Example: `  unsecret rewrite .github/workflows/deploy.yml
  unsecret rewrite . --write --ids secrets`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return a.rewrite(cmd, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.diff, "diff", false, "print a unified diff (the default)")
	f.BoolVar(&o.write, "write", false, "change the files")
	f.StringVar(&o.level, "level", "safe", "`which` edits: safe (behaviour provably the same) or needs-review")
	f.StringVar(&o.ids, "ids", "vars", "`where` the new client, tenant and subscription ids come from: vars or secrets")
	f.StringVar(&o.permissions, "permissions", "minimal", "`where` a job gets its first permissions block: minimal or preserve")
	f.StringVar(&o.defaults, "default-permissions", "", "`what` GITHUB_TOKEN may do by the repository's settings: read or write (default: not known)")
	f.StringVar(&o.loginVersion, "login-version", "v2", "`version` of azure/login that old ones are raised to")
	cmd.MarkFlagsMutuallyExclusive("diff", "write")
	outputFlag(cmd, &o.output, "diff", "json")
	return cmd
}

// rewriteResult is what rewrite prints as JSON.
type rewriteResult struct {
	Files []rewrittenFile `json:"files"`
	Left  []leftAlone     `json:"left"`
	Gaps  []inventory.Gap `json:"gaps"`
}

type rewrittenFile struct {
	File    string     `json:"file"`
	Edits   []fileEdit `json:"edits"`
	Diff    string     `json:"diff"`
	Refused string     `json:"refused,omitempty"`
	Written bool       `json:"written"`
}

type fileEdit struct {
	Line   int    `json:"line"`
	Start  int    `json:"start"` // byte offset in the file as it was
	End    int    `json:"end"`
	New    string `json:"new"`
	Reason string `json:"reason"`
}

type leftAlone struct {
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Reason string   `json:"reason"`
	Manual []string `json:"manual,omitempty"`
}

func (o rewriteOptions) engine() (workflow.RewriteOptions, error) {
	r := workflow.RewriteOptions{LoginVersion: o.loginVersion}
	switch o.level {
	case "safe":
		r.Level = workflow.LevelSafe
	case "needs-review":
		r.Level = workflow.LevelNeedsReview
	default:
		return r, usageErrorf("invalid argument %q for --level: it must be safe or needs-review", o.level)
	}
	switch o.permissions {
	case "minimal":
		r.Permissions = workflow.PermissionsMinimal
	case "preserve":
		r.Permissions = workflow.PermissionsPreserve
	default:
		return r, usageErrorf("invalid argument %q for --permissions: it must be minimal or preserve", o.permissions)
	}
	switch o.ids {
	case "vars", "secrets":
		r.IDs = o.ids
	default:
		return r, usageErrorf("invalid argument %q for --ids: it must be vars or secrets", o.ids)
	}
	switch o.defaults {
	case "", "read", "write":
	default:
		return r, usageErrorf("invalid argument %q for --default-permissions: it must be read or write", o.defaults)
	}
	return r, nil
}

func (a *app) rewrite(cmd *cobra.Command, o rewriteOptions) error {
	if err := checkOutput(o.output, "diff", "json"); err != nil {
		return err
	}
	engine, err := o.engine()
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // linting leaves much garbage and keeps little
	result := rewriteResult{Files: []rewrittenFile{}, Left: []leftAlone{}, Gaps: []inventory.Gap{}}
	failed := 0
	for _, p := range o.paths {
		done, gaps, err := rewriteTrees(cmd.Context(), p, o, engine)
		if err != nil {
			if cmd.Context().Err() != nil {
				return err
			}
			return usageErrorf("%w", err)
		}
		result.Gaps = append(result.Gaps, gaps...)
		for _, d := range done {
			failed += result.add(d, o.write)
			result.Gaps = append(result.Gaps, d.Relative(workflow.Result{Gaps: d.Rewriting.Gaps}).Gaps...)
		}
	}
	return a.showRewrite(o, result, failed)
}

// rewrittenTree is a tree with what the engine does to it.
type rewrittenTree struct {
	number int
	scan.LocalTree
	workflow.Rewriting
	diffs []string // of each file
}

// rewriteTrees computes the rewriting of each tree at a path, side by side, in the order of the trees. It changes nothing.
func rewriteTrees(ctx context.Context, path string, o rewriteOptions, engine workflow.RewriteOptions) ([]rewrittenTree, []inventory.Gap, error) {
	var mu sync.Mutex
	var done []rewrittenTree
	gaps, err := scan.EachLocalTree(ctx, path, func(number int, t scan.LocalTree) {
		t.DefaultPermissions = o.defaults
		r := workflow.Rewrite(t.Tree, within(engine, t))
		t.Files = nil // what changes is in the rewriting
		diffs := make([]string, len(r.Files))
		for i, f := range r.Files {
			f.Path = t.Path(f.Path)
			diffs[i] = workflow.Diff(f)
			if !o.write {
				r.Files[i].Before, r.Files[i].After = nil, nil // a large folder's are many
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if len(r.Files)+len(r.Left)+len(r.Gaps) > 0 {
			done = append(done, rewrittenTree{number, t, r, diffs})
		}
	})
	slices.SortFunc(done, func(a, b rewrittenTree) int { return a.number - b.number })
	return done, gaps, err
}

// within lets the engine change the files of a tree that were asked for, and nothing that changes only together with others.
func within(engine workflow.RewriteOptions, t scan.LocalTree) workflow.RewriteOptions {
	engine.Within = t.Asked
	return engine
}

// add takes over what the engine did to one tree and writes the files if asked. It gives the number of files that could not be written or were refused.
func (r *rewriteResult) add(t rewrittenTree, write bool) (failed int) {
	for i, f := range t.Rewriting.Files {
		if !t.Asked(f.Path) {
			continue
		}
		file := rewrittenFile{File: t.Path(f.Path), Refused: f.Refused, Edits: []fileEdit{}}
		for _, e := range f.Edits {
			file.Edits = append(file.Edits, fileEdit{Line: e.Line, Start: e.Start, End: e.End, New: e.New, Reason: e.Reason})
		}
		if f.Refused == "" {
			file.Diff = t.diffs[i]
			if write {
				if err := replaceFile(filepath.Join(t.Dir, filepath.FromSlash(file.File)), f.Before, f.After); err != nil {
					file.Refused = err.Error()
				} else {
					file.Written = true
				}
			}
		}
		if file.Refused != "" {
			failed++
		}
		r.Files = append(r.Files, file)
	}
	for _, l := range t.Left {
		if t.Asked(l.File) {
			r.Left = append(r.Left, leftAlone{File: t.Path(l.File), Line: l.Line, Reason: l.Reason, Manual: l.Manual})
		}
	}
	return failed
}

// replaceFile writes the new content if the file still is what was read, and keeps its mode.
func replaceFile(name string, before, after []byte) error {
	now, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if string(now) != string(before) {
		return errors.New("the file changed meanwhile and was left alone: run the command again")
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // replace the file that a link leads to, not the link
	}
	if err := writeFile(name, after); err != nil {
		return err
	}
	return os.Chmod(name, info.Mode().Perm())
}

func (a *app) showRewrite(o rewriteOptions, r rewriteResult, failed int) error {
	if o.output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printRewrite(o, r)
	}
	if failed > 0 || len(r.Gaps) > 0 {
		return exitWith(exitPartly)
	}
	return nil
}

func (a *app) printRewrite(o rewriteOptions, r rewriteResult) {
	out, w := bufio.NewWriter(a.std.out), bufio.NewWriter(a.std.err)
	changed := 0
	for _, f := range r.Files {
		switch {
		case f.Refused != "":
		case f.Written:
			changed++
			fmt.Fprintf(out, "rewrote %s (%s)\n", clean(f.File), plural(len(f.Edits), "edit"))
		default:
			changed++
			fmt.Fprint(out, f.Diff)
		}
	}
	_ = out.Flush()                  // what writes the results remembers that it failed
	defer func() { _ = w.Flush() }() // nobody can be told that messages cannot be written
	verb := "would change"
	if o.write {
		verb = "changed"
	}
	fmt.Fprintf(w, "%s %s; %s left alone", plural(changed, "file"), verb, plural(len(r.Left), "login"))
	if len(r.Gaps) > 0 {
		fmt.Fprintf(w, "; %s not read", plural(len(r.Gaps), "file"))
	}
	fmt.Fprintln(w)
	for _, f := range r.Files {
		if f.Refused != "" {
			fmt.Fprintf(w, "%s: refused\n", clean(f.File))
			paragraph(w, "    ", f.Refused)
		}
	}
	for _, l := range r.Left {
		fmt.Fprintf(w, "%s:%d: left alone\n", clean(l.File), l.Line)
		paragraph(w, "    ", l.Reason)
		for _, m := range l.Manual {
			bullet(w, "    - ", m)
		}
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(w, "%s:%d: not read\n", clean(g.File), g.Line)
		paragraph(w, "    ", g.Message)
	}
}
