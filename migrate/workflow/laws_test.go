package workflow

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// repositories puts the newest workflows and the actions of the corpus back into repositories of their own.
func repositories(t testing.TB) []Tree {
	t.Helper()
	root := os.Getenv("UNSECRET_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	f, err := os.Open(filepath.Join(root, "index.tsv"))
	if err != nil {
		t.Skipf("the corpus of real files is not here (set UNSECRET_CORPUS): %v", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*Tree)
	var trees []*Tree
	for _, row := range rows[1:] {
		name, source, repo, path := row[0], row[2], row[3], row[4]
		b, err := os.ReadFile(filepath.Join(root, "workflows", name))
		if err != nil {
			t.Fatal(err)
		}
		if source != "head" {
			repo += "@" + row[5]
		}
		tree := byName[repo]
		if tree == nil {
			tree = &Tree{Repository: inventory.RepositoryName(strings.Split(repo, "@")[0])}
			byName[repo] = tree
			trees = append(trees, tree)
		}
		tree.Files = append(tree.Files, File{Path: path, Content: b})
	}
	addActions(t, root, byName)
	var list []Tree
	for _, tree := range trees {
		list = append(list, *tree)
	}
	return list
}

// addActions puts the corpus's actions beside the workflows of their repositories: names are OWNER__NAME__PATH with _ for /.
func addActions(t testing.TB, root string, byName map[string]*Tree) {
	entries, err := os.ReadDir(filepath.Join(root, "actions"))
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		parts := strings.SplitN(e.Name(), "__", 3)
		if len(parts) < 3 || parts[0] == "hist" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, "actions", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		path := strings.Replace(parts[2], ".github_actions_", ".github/actions/", 1)
		path = strings.Replace(path, ".github_workflows_actions_", ".github/workflows/actions/", 1)
		for _, end := range []string{"_action.yml", "_action.yaml"} {
			if p, ok := strings.CutSuffix(path, end); ok {
				path = p + strings.Replace(end, "_", "/", 1)
			}
		}
		if tree := byName[parts[0]+"/"+parts[1]]; tree != nil {
			tree.Files = append(tree.Files, File{Path: path, Content: b})
		}
	}
}

// everyLevel runs a check on all trees of the corpus, as single files and as repositories, for each way to rewrite.
func everyRewrite(t *testing.T, trees []Tree, check func(t *testing.T, tree Tree, o RewriteOptions, r Rewriting)) {
	t.Helper()
	for _, o := range []RewriteOptions{{}, {Level: LevelNeedsReview}, {Level: LevelNeedsReview, Permissions: PermissionsPreserve, LoginVersion: "v3"}} {
		for _, tree := range trees {
			check(t, tree, o, Rewrite(tree, o))
		}
	}
}

func TestLawsHoldOnRealFiles(t *testing.T) {
	trees := append(corpus(t, "workflows"), repositories(t)...)
	trees = append(trees, corpus(t, "actions")...)
	trees = append(trees, corpus(t, "migrations")...)
	refused, files := 0, 0
	everyRewrite(t, trees, func(t *testing.T, tree Tree, o RewriteOptions, r Rewriting) {
		for _, f := range r.Files {
			files++
			checkRewrite(t, f)
			if f.Refused != "" {
				refused++
				t.Logf("refused %s: %s", f.Path, f.Refused)
			}
		}
		checkIdempotent(t, tree, o, r)
		checkPermissions(t, tree, o, r)
		checkGone(t, tree, o, r)
	})
	t.Logf("%d rewrites, %d refused", files, refused)
}

// checkGone holds that what is called automatic is gone after a rewrite at the level it needs.
func checkGone(t *testing.T, tree Tree, o RewriteOptions, r Rewriting) {
	t.Helper()
	if o.Level != LevelNeedsReview {
		return
	}
	refused := make(map[string]bool)
	for _, f := range r.Files {
		refused[f.Path] = f.Refused != ""
	}
	for _, l := range Scan(applied(tree, r), Options{}).Logins {
		if l.Conversion == inventory.ConversionAutomatic && !refused[l.File] {
			t.Errorf("%s %s is still there after the rewrite: %s; left %v", l.ID, l.Kind, l.Reason, r.Left)
		}
	}
}

// checkPermissions holds that no job has less permission than it had, and that no token is granted where nothing signs in.
func checkPermissions(t *testing.T, tree Tree, o RewriteOptions, r Rewriting) {
	t.Helper()
	for _, f := range r.Files {
		if f.Refused != "" {
			continue
		}
		was, err := readFile(f.Path, f.Before)
		if err != nil {
			t.Fatal(err)
		}
		now, err := readFile(f.Path, f.After)
		if err != nil {
			t.Errorf("%s does not parse after the rewrite: %v", f.Path, err)
			continue
		}
		for i, j := range was.jobs {
			if i >= len(now.jobs) || now.jobs[i].id != j.id {
				t.Errorf("%s: job %s is gone", f.Path, j.id)
				continue
			}
			if problem := narrower(effective(j), effective(now.jobs[i]), o); problem != "" {
				t.Errorf("%s: job %s: %s", f.Path, j.id, problem)
			}
		}
	}
}

func effective(j *job) *entry {
	if j.perms.key != nil {
		return &j.perms
	}
	if j.file.perms.key != nil {
		return &j.file.perms
	}
	return nil
}

func narrower(was, now *entry, o RewriteOptions) string {
	if now == nil {
		return ""
	}
	have, all, err := grants(now.value)
	if err != nil || all {
		return ""
	}
	var must []scopeGrant
	if was != nil {
		if must, all, err = grants(was.value); err != nil {
			return ""
		}
		if all {
			return "write-all is gone"
		}
	} else if o.Permissions == PermissionsPreserve {
		must = permissiveScopes
	} else {
		must = []scopeGrant{{"contents", "read"}}
	}
	rank := map[string]int{"": 0, "none": 0, "read": 1, "write": 2}
	for _, g := range must {
		if rank[accessOf(have, g.scope)] < rank[g.access] {
			return fmt.Sprintf("%s was %s and is %q", g.scope, g.access, accessOf(have, g.scope))
		}
	}
	return ""
}

func TestNothingIsEditedWithoutAzure(t *testing.T) {
	for _, tree := range corpus(t, "workflows-without-azure") {
		if r := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}); len(r.Files) > 0 {
			t.Errorf("%s is edited:\n%s", tree.Files[0].Path, Diff(r.Files[0]))
		}
		for _, l := range Scan(tree, Options{}).Logins {
			// A client secret for a variable of Terraform, and a registry that is called acr, name no Azure; they are not edited.
			if l.Kind != inventory.KindTerraformEnv && l.Kind != inventory.KindDockerACRAdmin || l.Conversion != inventory.ConversionManual {
				t.Errorf("%s is taken for a login: %s", l.ID, l.Kind)
			}
		}
	}
}

// What people did by hand is the measure: where their version signs in with OIDC, ours does too, with the permission in every job.
func TestHumanMigrations(t *testing.T) {
	trees := make(map[string]Tree)
	for _, tree := range corpus(t, "migrations") {
		trees[tree.Files[0].Path] = tree
	}
	worse := 0
	for name, before := range trees {
		base, ok := strings.CutSuffix(name, ".before.yml")
		if !ok {
			continue
		}
		human := oidcJobs(trees[base+".after.yml"])
		r := Rewrite(before, RewriteOptions{Level: LevelNeedsReview})
		ours := applied(before, r)
		have := oidcJobs(ours)
		for j := range human {
			if !have[j] && hadSecret(before, j) {
				worse++
				t.Logf("%s: job %s signs in with OIDC in the human version only; left: %v", base, j, reasons(r))
			}
		}
		checkTokens(t, ours, before)
	}
	t.Logf("%d jobs of human migrations are left", worse)
}

func reasons(r Rewriting) []string {
	var list []string
	for _, l := range r.Left {
		list = append(list, fmt.Sprintf("%d: %s", l.Line, l.Reason))
	}
	for _, f := range r.Files {
		if f.Refused != "" {
			list = append(list, f.Refused)
		}
	}
	return list
}

func hadSecret(tree Tree, job string) bool {
	for _, l := range Scan(tree, Options{}).Logins {
		for _, j := range l.Jobs {
			if j == job && l.Conversion != inventory.ConversionNone {
				return true
			}
		}
	}
	return false
}

func oidcJobs(tree Tree) map[string]bool {
	jobs := make(map[string]bool)
	for _, l := range Scan(tree, Options{}).Logins {
		if l.Conversion == inventory.ConversionNone || l.Kind == inventory.KindAzureLoginMixed {
			for _, j := range l.Jobs {
				jobs[j] = true
			}
		}
	}
	return jobs
}

// checkTokens holds that every job which signs in with OIDC since the rewrite may request a token.
func checkTokens(t *testing.T, ours, before Tree) {
	t.Helper()
	if bytes.Equal(ours.Files[0].Content, before.Files[0].Content) {
		return
	}
	had := oidcJobs(before)
	f, err := readFile(ours.Files[0].Path, ours.Files[0].Content)
	if err != nil {
		t.Error(err)
		return
	}
	if f.has("workflow_call") {
		return
	}
	for _, l := range Scan(ours, Options{}).Logins {
		if l.Job == "" || l.Conversion != inventory.ConversionNone || had[l.Job] {
			continue
		}
		for _, j := range f.jobs {
			if j.id != l.Job {
				continue
			}
			e := effective(j)
			if e == nil {
				t.Errorf("%s: job %s signs in without permissions", l.File, j.id)
				continue
			}
			have, all, _ := grants(e.value)
			if !all && accessOf(have, idToken) != "write" {
				t.Errorf("%s: job %s signs in without id-token: write", l.File, j.id)
			}
		}
	}
}
