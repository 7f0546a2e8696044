package subject

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// drawCondition makes a condition about the reference, the event and things that are not known.
func drawCondition(t *rapid.T, depth int) string {
	kinds := 8
	if depth == 0 {
		kinds = 5
	}
	branch := rapid.SampledFrom([]string{"main", "dev", "release/1", "Main", "", "rel"}).Draw(t, "branch")
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return "github.ref == 'refs/heads/" + branch + "'"
	case 1:
		return rapid.SampledFrom([]string{"startsWith", "endsWith", "contains"}).Draw(t, "function") + "(github.ref, '" + branch + "')"
	case 2:
		return "github.ref_name != '" + branch + "'"
	case 3:
		return "vars." + rapid.SampledFrom([]string{"A", "B"}).Draw(t, "variable") + " == '" + branch + "'"
	case 4:
		return rapid.SampledFrom([]string{"github.event.forced", "hashFiles('x') == 'y'", "github.ref_type == 'tag'", "true", "cancelled()"}).Draw(t, "atom")
	case 5:
		return "contains(fromJSON('[\"main\", \"refs/heads/dev\"]'), github.ref_name)"
	case 6:
		return "!(" + drawCondition(t, depth-1) + ")"
	case 7:
		return "(" + drawCondition(t, depth-1) + " && " + drawCondition(t, depth-1) + ")"
	default:
		return "(" + drawCondition(t, depth-1) + " || " + drawCondition(t, depth-1) + ")"
	}
}

// admitted tells whether a context is among the exact ones or matches a pattern.
func admitted(s inventory.JobSubjects, context string) bool {
	return slices.Contains(s.Subjects, context) ||
		slices.ContainsFunc(s.Patterns, func(p string) bool { return wildcardGlob(p).match(context) })
}

// TestPartialKnowledgeLosesNothing compares a filter with wildcards, where the reference is known in part, with the
// same workflow for each branch alone, where it is known.
func TestPartialKnowledgeLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		condition := drawCondition(t, 3)
		filter := rapid.SampledFrom([]string{"**", "*", "release/*", "[mdr]*", "!x"}).Draw(t, "filter")
		environment := rapid.SampledFrom([]string{"", "environment: \"${{ github.ref_name == 'main' && 'prod' || '' }}\"", "environment: \"${{ vars.A }}\""}).Draw(t, "environment")
		if filter == "!x" {
			filter = "**', '!dev"
		}
		o := options()
		text := workflow("push: {branches: ['"+filter+"']}", "if: \"${{ "+strings.ReplaceAll(condition, `"`, `\"`)+" }}\"", environment)
		all := subjectsOf(t, text, "deploy", o)
		for _, branch := range []string{"main", "dev", "release/1", "rel", "x"} {
			alone := strings.Replace(text, "['"+filter+"']", "['"+filter+"', '!**', '"+branch+"']", 1)
			if !oneOf(filterGlobs(nil, strings.Split(filter, "'")[0])...).contains(branch) || strings.HasSuffix(filter, "!"+branch) {
				continue
			}
			one := subjectsOf(t, alone, "deploy", o)
			for _, context := range one.Subjects {
				if !admitted(all, context) {
					t.Fatalf("%s: %s is lost\n%s\nall: %v %v", branch, context, text, all.Subjects, all.Patterns)
				}
			}
			for _, pattern := range one.Patterns {
				if !slices.Contains(all.Patterns, pattern) {
					t.Fatalf("%s: %s is lost\n%s\nall: %v %v", branch, pattern, text, all.Subjects, all.Patterns)
				}
			}
			own := "ref:refs/heads/" + branch
			if slices.Contains(all.Subjects, own) && !slices.Contains(one.Subjects, own) {
				t.Fatalf("%s is among all, not alone\n%s", own, text)
			}
		}
	})
}

// drawNeeded makes a set of needed subjects of one or two repositories.
func drawNeeded(t *rapid.T) []Subject {
	contexts := []string{"pull_request", "ref:refs/heads/*", "ref:refs/tags/v*", "environment:*", "environment:web-*", "ref:refs/heads/it's"}
	for i := range 12 {
		contexts = append(contexts, fmt.Sprintf("ref:refs/heads/release/%d", i), fmt.Sprintf("environment:web-%d", i), fmt.Sprintf("ref:refs/heads/b%d", i*7))
	}
	var out []Subject
	for _, repo := range []inventory.Repository{{Name: "octo/app", ID: 2, OwnerID: 1}, {Name: "octo/web", ID: 3, OwnerID: 1}}[:rapid.IntRange(1, 2).Draw(t, "repositories")] {
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(contexts), 0, 25, func(s string) string { return s }).Draw(t, "contexts")
		subjects, err := Full(inventory.OIDC{UseImmutableSubject: repo.ID == 3}, repo, chosen)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, subjects...)
	}
	return out
}

func TestChooseCoversWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		needed := drawNeeded(t)
		o := ChooseOptions{
			Limit: rapid.IntRange(1, 20).Draw(t, "limit"), AllowFlexible: rapid.Bool().Draw(t, "flexible"),
			NamePrefix: rapid.SampledFrom([]string{"", "unsecret-", "-x", "ü ", strings.Repeat("long", 40)}).Draw(t, "prefix"),
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "existing") {
			o.Existing = append(o.Existing, inventory.FederatedCredential{Name: fmt.Sprint("old", i), Issuer: GitHubIssuer,
				Subject: fmt.Sprintf("repo:octo/app:environment:web-%d", i), Audience: Audience})
		}
		c := Choose(needed, o)
		have := append(slices.Clone(o.Existing), c.Add...)
		if len(c.Add) > 0 && len(have) > o.Limit {
			t.Fatalf("%d credentials, the limit is %d", len(have), o.Limit)
		}
		uncovered := map[string]bool{}
		for _, s := range c.Uncovered {
			uncovered[s.key()] = true
			if s.Reason == "" {
				t.Fatalf("%s has no reason", s.Value)
			}
		}
		for _, m := range Cover(needed, have).Missing {
			if !uncovered[m.Subject.key()] {
				t.Fatalf("%s is not covered, and not said to be", m.Subject.Value)
			}
			delete(uncovered, m.Subject.key())
		}
		if len(uncovered) > 0 {
			t.Fatalf("said not to be covered, but is: %v", uncovered)
		}
		if len(c.Uncovered) > 0 && len(c.Proposals) == 0 && !slices.ContainsFunc(c.Uncovered, func(s Subject) bool { return len(s.Value) > maxField }) {
			t.Fatal("something is not covered, and nothing is proposed")
		}
		checkNames(t, have, o.Existing)
		slices.Reverse(needed)
		if again := Choose(needed, o); fmt.Sprint(again) != fmt.Sprint(c) {
			t.Fatalf("the order of the needed subjects matters:\n%v\n%v", c, again)
		}
	})
}

func checkNames(t *rapid.T, have, existing []inventory.FederatedCredential) {
	seen := map[string]bool{}
	for _, c := range have {
		if seen[c.Name] {
			t.Fatalf("name %s twice", c.Name)
		}
		seen[c.Name] = true
		if !validName(c.Name) && !slices.Contains(existing, c) {
			t.Fatalf("name %q is not valid", c.Name)
		}
		if (c.Subject == "") == (c.Expression == "") {
			t.Fatalf("%s has not exactly one of subject and expression", c.Name)
		}
	}
}

// validName is ^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$ without a regular expression.
func validName(name string) bool {
	if len(name) < 3 || len(name) > 120 || strings.ContainsAny(name[:1], "-_") {
		return false
	}
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", r) {
			return false
		}
	}
	return true
}

// TestCoverAgreesWithASimpleMatcher compares Cover for exact subjects with matching written down plainly.
func TestCoverAgreesWithASimpleMatcher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aAb:*?")), 0, 6, -1)
		issuers := []string{GitHubIssuer, "https://other"}
		var needed []Subject
		for range rapid.IntRange(1, 5).Draw(t, "needed") {
			needed = append(needed, Subject{Issuer: rapid.SampledFrom(issuers).Draw(t, "issuer"),
				Value: "repo:" + strings.NewReplacer("*", "x", "?", "y").Replace(text.Draw(t, "value")), Audience: Audience, RepositoryID: rapid.Int64Range(0, 2).Draw(t, "id")})
		}
		var have []inventory.FederatedCredential
		for i := range rapid.IntRange(0, 5).Draw(t, "have") {
			c := inventory.FederatedCredential{Name: fmt.Sprint(i), Issuer: rapid.SampledFrom(issuers).Draw(t, "trusted issuer"), Audience: Audience}
			pattern := "repo:" + text.Draw(t, "pattern")
			if rapid.Bool().Draw(t, "flexible") {
				c.Expression = fmt.Sprintf("claims['sub'] matches '%s' and claims['repository_id'] eq '1'", pattern)
			} else {
				c.Subject = pattern
			}
			have = append(have, c)
		}
		got := Cover(needed, have)
		for _, s := range distinct(needed) {
			want := slices.ContainsFunc(have, func(c inventory.FederatedCredential) bool { return plainMatch(s, c) })
			trusted := slices.ContainsFunc(got.Trusted, func(x Trust) bool { return x.Subject.key() == s.key() })
			missing := slices.ContainsFunc(got.Missing, func(x Miss) bool { return x.Subject.key() == s.key() })
			if trusted != want || missing == want {
				t.Fatalf("%s id %d: trusted %v, missing %v, want trusted %v\n%v", s.Value, s.RepositoryID, trusted, missing, want, have)
			}
			if e := Explain(s, have); e.Trusted != want || (e.Code == "") != want || e.Text == "" || len(e.Next) == 0 {
				t.Fatalf("explain %s: %+v, want trusted %v", s.Value, e, want)
			}
		}
	})
}

func plainMatch(s Subject, c inventory.FederatedCredential) bool {
	if s.Issuer != c.Issuer || s.Audience != c.Audience {
		return false
	}
	if c.Expression == "" {
		return s.Value == c.Subject
	}
	pattern, _, _ := strings.Cut(strings.TrimPrefix(c.Expression, "claims['sub'] matches '"), "'")
	return s.RepositoryID == 1 && wildcardMatch(pattern, s.Value)
}

// wildcardMatch is the textbook recursion.
func wildcardMatch(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return wildcardMatch(pattern[1:], text) || text != "" && wildcardMatch(pattern, text[1:])
	case text == "":
		return false
	default:
		return (pattern[0] == '?' || pattern[0] == text[0]) && wildcardMatch(pattern[1:], text[1:])
	}
}

func TestCorpusGivesSubjectsForEveryJob(t *testing.T) {
	root := os.Getenv("UNSECRET_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, "workflows", "*"))
	if len(files) == 0 {
		t.Skip("the corpus of real files is not here (set UNSECRET_CORPUS)")
	}
	jobs, exact, open := 0, 0, 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := actionlint.Parse(text)
		if w == nil {
			continue
		}
		got := Jobs(w, JobOptions{DefaultBranch: "main", Path: f, Repository: "octo/app"})
		if len(got) < len(w.Jobs) {
			t.Errorf("%s: %d entries for %d jobs", filepath.Base(f), len(got), len(w.Jobs))
		}
		for _, j := range got {
			jobs++
			if j.Unbounded {
				open++
			} else {
				exact++
			}
			if len(j.Reasons) < len(j.Subjects)+len(j.Patterns) || len(j.Subjects)+len(j.Patterns) == 0 && len(j.Reasons) == 0 {
				t.Errorf("%s %s: %d reasons for %v %v", filepath.Base(f), j.Job, len(j.Reasons), j.Subjects, j.Patterns)
			}
		}
	}
	t.Logf("%d jobs of %d files: %d with a finite set of subjects, %d without", jobs, len(files), exact, open)
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		"github.ref == 'refs/heads/main'", "always() && !failure()", "contains(fromJSON('[1,\"a\"]'), inputs.x)", "format('{0}{{}}', github.ref)",
		"github.event.inputs['x'] || matrix.y && 'z'", "case(a, b, c)", "${{ github.ref }} x ${{ vars.A }}", "startsWith(github.head_ref, vars.B)", "join(fromJSON('[]'))",
		"fromJSON('{\"a\":[1]}').a[0] <= 0x1", "needs.a.outputs.b == github.ref_name", "!((((", "'' == null",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, condition string) {
		text := actionlint.String{Value: condition, Pos: &actionlint.Pos{Line: 1, Col: 1}}
		w := parseWorkflow(t, workflow("push: {branches: ['*', main]}\nworkflow_dispatch: {inputs: {x: {type: boolean}, y: {}}}", "strategy: {matrix: {y: [1, a]}}"))
		job := w.Jobs["deploy"]
		job.If = &text
		job.Environment = &actionlint.Environment{Name: &text}
		got := Jobs(w, options())
		if len(got) != 1 || len(got[0].Reasons) == 0 {
			t.Fatalf("%q: %+v", condition, got)
		}
	})
}

// TestBadInputTakesBoundedTime would run for hours if one of the bounds were missing.
func TestBadInputTakesBoundedTime(t *testing.T) {
	var filter, condition, jobs strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&filter, "      - 'a%d*b*c*'\n", i)
	}
	condition.WriteString("true")
	for i := range 60 {
		fmt.Fprintf(&condition, " && (vars.V%d == 'x' || github.event.e%d || github.ref != 'refs/heads/%d')", i, i, i)
	}
	for i := range 60 {
		fmt.Fprintf(&jobs, "  j%d:\n    runs-on: x\n    if: %s\n    environment: ${{ vars.V1 && 'a' || vars.V2 }}\n    steps: [{run: echo}]\n", i, condition.String())
	}
	star := strings.Repeat("*a", 100)
	for _, on := range []string{"  push:\n    branches:\n" + filter.String(), "  workflow_dispatch:\n", "  push: {branches: ['" + star + "', '!" + star + "b']}\n  create:\n"} {
		got := Jobs(parseWorkflow(t, "on:\n"+on+"jobs:\n"+jobs.String()), options())
		if len(got) != 60 || !got[59].Unbounded {
			t.Errorf("got %d entries", len(got))
		}
	}
}
