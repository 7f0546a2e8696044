package e2e_test

import (
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// TestWhatHappensDuringTheSoakIsFoundBeforeAnythingIsRemoved lets people change what the proof counts on after a unit was verified.
func TestWhatHappensDuringTheSoakIsFoundBeforeAnythingIsRemoved(t *testing.T) {
	repo := func(w *world.World) *world.Repo { return w.GitHub.Repos["contoso/shop"] }
	for name, tc := range map[string]struct {
		edit func(w *world.World)
		want string
	}{
		"the repository is renamed": {func(w *world.World) {
			w.GitHub.Rename(repo(w), "contoso", "store")
		}, "is called contoso/store now"},
		"the repository is transferred": {func(w *world.World) {
			w.GitHub.Rename(repo(w), "fabrikam", "shop")
		}, "is called fabrikam/shop now"},
		"the repository is deleted":  {func(w *world.World) { delete(w.GitHub.Repos, "contoso/shop") }, "contoso/shop is gone"},
		"the repository is archived": {func(w *world.World) { repo(w).Archived = true }, "was archived"},
		"another repository takes its name": {func(w *world.World) {
			delete(w.GitHub.Repos, "contoso/shop")
			w.AddRepo("contoso", "shop", map[string]string{"README.md": "new"})
		}, "another repository has the name"},
		"the default branch is another": {func(w *world.World) {
			r := repo(w)
			r.SetRef("refs/heads/trunk", r.Head("main"))
			r.DefaultBranch = "trunk"
		}, "is trunk now, it was main"},
		"the subjects become immutable":  {func(w *world.World) { repo(w).OIDC.Immutable = true }, "makes the subjects of its tokens otherwise"},
		"the repository gets a template": {func(w *world.World) { repo(w).OIDC = world.OIDCSettings{IncludeClaimKeys: []string{"repo", "ref"}} }, "the template repo, ref"},
		"the organisation gets a template": {func(w *world.World) {
			repo(w).OIDC = world.OIDCSettings{}
			w.GitHub.Accounts["contoso"].OIDCKeys = []string{"repository_id", "context"}
		}, "the template repository_id, context"},
		"somebody deletes a federated credential": {func(w *world.World) { app(w, "tools").FICs = nil }, "not everything that the unit presents is trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.migrate()
			j.pass(8 * 24 * time.Hour)
			j.change(tc.edit)
			passwords := func() (n int) {
				j.change(func(w *world.World) { n = len(app(w, "tools").Passwords) })
				return n
			}
			before := passwords()
			j.want(j.verify(), "tools", execute.UnitFailed, tc.want)
			j.want(j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true}), "tools", execute.UnitFailed, tc.want)
			j.want(j.status(), "tools", execute.UnitMigrated, "")
			if passwords() != before {
				t.Error("a password was removed all the same")
			}
		})
	}
}
