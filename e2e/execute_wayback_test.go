package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// lesserGraph lets the journey go on with a token of Graph that may only read, and says so of its caller.
func lesserGraph(j *journey) {
	payload, err := json.Marshal(map[string]any{"oid": "0b9f8b3c-5f0c-4d0f-9c55-5c2f3a4f8a01", "roles": []string{"Application.Read.All"}})
	if err != nil {
		j.t.Fatal(err)
	}
	token := "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".x"
	j.change(func(w *world.World) {
		w.Tokens[token] = &world.Token{Value: token, Role: world.RoleReader, Audience: world.AudienceGraph, Login: "unsecret"}
	})
	j.tokens = map[string]string{auth.EnvGraph: token}
	j.set = j.connectWith(transport.Options{})
}

func (j *journey) dryRollback(units ...string) execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(context.Background(), execute.RollbackOptions{Units: units, DryRun: true})
	})
}

// TestARollbackThatIsImpossibleIsToldBeforehand lets people take away what a rollback needs, after a unit was revoked. The dry run says what stands
// against it and what a person must do; the rollback itself changes nothing then, or says the same where only trying can show it.
func TestARollbackThatIsImpossibleIsToldBeforehand(t *testing.T) {
	shop := func(w *world.World) *world.Repo { return w.GitHub.Repos["contoso/shop"] }
	for name, tc := range map[string]struct {
		edit  func(j *journey)
		why   string // what is said of it
		next  string
		tried bool // the rollback is tried all the same
	}{
		"a policy forbids passwords": {func(j *journey) { j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true }) },
			"forbids new passwords on tools", "exempt the application from the policy", false},
		"a password may not live as long": {func(j *journey) {
			j.plan.Settings.RollbackDays = 400
			j.change(func(w *world.World) { w.Knobs.PasswordMaxDays = 7 })
		},
			"live 7 days at most, and a rollback would mint one for 400", "set rollbackDays: 7 or less", false},
		"the right to add one is lost": {lesserGraph, "does not own the application, and lacks Application.ReadWrite.All", "az ad app owner add --id", true},
		"the application is deleted": {func(j *journey) {
			j.change(func(w *world.World) {
				for _, tenant := range w.Tenants {
					tenant.Apps = nil
				}
			})
		}, "the application is deleted", "deletedItems/", false},
		"the repository is archived": {func(j *journey) { j.change(func(w *world.World) { shop(w).Archived = true }) },
			"contoso/shop is archived", "gh repo unarchive contoso/shop", false},
		"the repository is deleted": {func(j *journey) { j.change(func(w *world.World) { delete(w.GitHub.Repos, "contoso/shop") }) },
			"contoso/shop is gone", "restore it", true},
		"the caller may not write the secret": {func(j *journey) {
			j.tokens = map[string]string{"GITHUB_TOKEN": lab.Token(world.AudienceGitHub, world.RoleReader)}
			j.set = j.connectWith(transport.Options{})
		}, "may read contoso/shop and not write to it", "let the caller write environment secrets of contoso/shop", false},
	} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.migrate()
			j.pass(8 * 24 * time.Hour)
			j.want(j.revoke(), "tools", execute.UnitRevoked, "")
			tc.edit(j)
			tools := j.unitID("tools")
			says := func(r execute.Result, texts ...string) {
				t.Helper()
				u := j.unit(r, "tools")
				said := u.Reason + strings.Join(u.Next, " ")
				for _, s := range u.Steps {
					said += s.Reason + strings.Join(s.Next, " ")
				}
				for _, text := range texts {
					if u.State != execute.UnitFailed || !strings.Contains(said, text) {
						t.Errorf("%q is not said, but %s: %s", text, u.State, said)
					}
				}
			}
			dry := j.dryRollback(tools)
			says(dry, tc.why, tc.next)
			before := j.lab.Writes()
			r := j.rollback(tools)
			if u := j.unit(r, "tools"); u.State != execute.UnitFailed || u.Reason == "" {
				t.Errorf("the rollback gives %+v", u)
			}
			if !tc.tried {
				says(r, tc.why, tc.next, "nothing was changed")
				if n := j.lab.Writes() - before; n != 0 {
					t.Errorf("%d writes", n)
				}
				j.want(j.status(), "tools", execute.UnitRevoked, "")
			}
		})
	}
}
