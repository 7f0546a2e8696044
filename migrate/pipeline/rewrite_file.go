package pipeline

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// RewriteFile rewrites the chosen steps of one file, from its own text alone: what it does to a file never depends on others, so that it
// can be done again when the file has changed elsewhere. Which steps may be chosen Rewritable tells; names are written at the places of NameText.
func RewriteFile(f File, only func(StepID) bool, level Level, names map[StepID]Rename) (FileRewrite, []Left) {
	out := Rewrite([]File{f}, nil, RewriteOptions{Level: level, Only: only, Names: names})
	for _, file := range out.Files {
		return file, out.Left
	}
	return FileRewrite{Repository: f.Repository, Path: f.Path, Before: f.Content, After: f.Content}, out.Left
}

// StepRewrite is a step that would fail after a conversion and that RewriteFile can put right.
type StepRewrite struct {
	Repository, File string
	Step             StepID
	Rules            []string // the checks that the rewrite settles, sorted
	Review           bool     // a person has to look at the result
	// After tells that the new text works only on a converted connection. Without it the text works before the conversion and after it, as
	// a task's newer major version does, which takes connections of both schemes.
	After bool
}

// Rewritable gives the steps of a pipeline's files that RewriteFile can put right. A step is among them only where the rewrite of its file alone is
// the same as that of all files together: then nothing outside of the file depends on what is changed. The files are those that
// the pipeline is made of, at the branch that a change would be merged to.
func Rewritable(files []File, r Resolver, o Options) []StepRewrite {
	full := Rewrite(files, r, RewriteOptions{Options: o, Level: LevelNeedsReview})
	var out []StepRewrite
	for _, f := range full.Files {
		if f.Refused != "" {
			continue
		}
		i := slices.IndexFunc(files, func(g File) bool { return g.Repository == f.Repository && g.Path == f.Path })
		if !reachesOut(full, f) {
			out = append(out, rewritableIn(files[i], f, full.Left)...)
		}
	}
	return out
}

// reachesOut tells whether a step of a file needs a change in another one.
func reachesOut(full Rewriting, f FileRewrite) bool {
	here := fileKey{repository: f.Repository, path: f.Path}
	for _, other := range full.Files {
		if other.Repository == f.Repository && other.Path == f.Path {
			continue
		}
		if slices.ContainsFunc(other.Edits, func(e Edit) bool { return e.from == here }) {
			return true
		}
	}
	return false
}

// rewritableIn compares the rewrite of a file by itself with its part of the whole.
func rewritableIn(f File, part FileRewrite, left []Left) []StepRewrite {
	alone, leftAlone := RewriteFile(f, nil, LevelNeedsReview, nil)
	safe, _ := RewriteFile(f, nil, LevelSafe, nil)
	if alone.Refused != "" {
		return nil
	}
	var out []StepRewrite
	for _, id := range stepsOf(part.Edits) {
		whole, own := editsOf(part.Edits, id), editsOf(alone.Edits, id)
		if !slices.Equal(whole, own) || remains(left, f, id) || remains(leftAlone, f, id) {
			continue
		}
		s := StepRewrite{Repository: f.Repository, File: f.Path, Step: id, Review: safe.Refused != "" || !slices.Equal(editsOf(safe.Edits, id), own)}
		for _, e := range own {
			s.Rules = append(s.Rules, e.Rule)
			s.After = s.After || !bothWays(e.Rule)
		}
		s.Rules = unique(s.Rules)
		out = append(out, s)
	}
	return out
}

// bothWays tells whether what settles a check works with a secret, too. The major versions that support workload identity federation go
// on taking connections with a service principal's key (Microsoft Learn: Troubleshoot an Azure Resource Manager workload identity service connection, table of tasks, is about
// the scheme that is added); idToken is there only after the conversion (microsoft/azure-pipelines-tasks: Tasks/AzureCLIV2/azureclitask.ts).
func bothWays(rule string) bool { return rule == RuleTaskNewerMajor || rule == RuleTerraformMSI }

func stepsOf(edits []Edit) []StepID {
	var out []StepID
	for _, e := range edits {
		if e.Step != (StepID{}) && !slices.Contains(out, e.Step) {
			out = append(out, e.Step)
		}
	}
	return out
}

// editsOf are the edits that one step needs, as far as they stand in its own file.
func editsOf(edits []Edit, id StepID) []Edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e Edit) bool { return e.Step != id })
}

// remains tells whether something of a step is left to a person.
func remains(left []Left, f File, id StepID) bool {
	return slices.ContainsFunc(left, func(l Left) bool {
		return l.Repository == f.Repository && l.File == f.Path && l.Line == id.Line && l.Column == id.Column
	})
}

// StepText is a step with everything of it but its place, by which it is found again in another version of its file.
type StepText struct {
	Step StepID
	Text string
}

// StepTexts gives the steps of a file, in the order of the text.
func StepTexts(f File) []StepText {
	var out []StepText
	for _, s := range scan([]File{f}, nil, Options{}).steps {
		if s.n == nil || s.n.at.n == nil || s.at.doc == nil || s.at.n == nil {
			continue
		}
		t := StepText{Step: s.id(), Text: stepText(s.n.at.n)}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b StepText) int {
		if a.Step.Line != b.Step.Line {
			return a.Step.Line - b.Step.Line
		}
		return a.Step.Column - b.Step.Column
	})
	return out
}

// stepText is a node without comments and places.
func stepText(n *yaml.Node) string {
	var b strings.Builder
	writeNode(&b, n, 0)
	return b.String()
}

func writeNode(b *strings.Builder, n *yaml.Node, depth int) {
	n = resolve(n)
	if n == nil || depth > 100 {
		return
	}
	b.WriteString("(" + n.Tag + " " + n.Value)
	for _, c := range n.Content {
		writeNode(b, c, depth+1)
	}
	b.WriteString(")")
}
