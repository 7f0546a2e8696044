package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const reusableOrganisation = `
seed: 12
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: shop
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
github:
  - name: contoso
    permissions: read
    repositories:
      - name: shop
        secrets: [{name: AZURE_CREDENTIALS, creds: shop}]
        files:
          .github/workflows/release.yml: |
            name: Release
            on:
              push:
                branches: [main]
            jobs:
              release:
                uses: contoso/workflows/.github/workflows/deploy.yml@main
                with:
                  region: westeurope
                secrets: inherit
      - name: workflows
        files:
          .github/workflows/deploy.yml: |
            name: Deploy
            on:
              workflow_call:
                inputs:
                  region: {type: string, required: true}
            jobs:
              deploy:
                runs-on: ubuntu-latest
                steps:
                  - uses: azure/login@v2
                    with:
                      creds: ${{ secrets.AZURE_CREDENTIALS }}
                  - run: az group list --query "[?location=='${{ inputs.region }}']"
`

const (
	callerFile = ".github/workflows/release.yml"
	calledFile = ".github/workflows/deploy.yml"
)

// edited changes a file on the main branch of one of the two repositories.
func (j *journey) edited(repo, path, old, by string) {
	j.t.Helper()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos[repo]
		content := replaced(old, by)(r.Files(r.Head("main"))[path])
		if content == nil {
			j.t.Fatalf("%s has no %q", path, old)
		}
		w.CommitFiles(r, "main", "by hand", map[string][]byte{path: content})
	})
}

// TestACredentialThatCrossesRepositoriesIsTakenOutByTheStepsOfThePlan: a caller in one repository, what it calls in another. No single
// pull request can change both at once, so the plan leaves them to a person, with the steps. Done in their order nothing
// stops signing in at any time; in another order it does.
func TestACredentialThatCrossesRepositoriesIsTakenOutByTheStepsOfThePlan(t *testing.T) {
	start := func(t *testing.T) *journey {
		w, mapping, err := lab.LoadSeedMapping([]byte(reusableOrganisation))
		if err != nil {
			t.Fatal(err)
		}
		j := startJourney(t, w, mapping)
		j.mustSignIn("before")
		return j
	}
	trust := func(j *journey, subject string) {
		j.change(func(w *world.World) {
			a := app(w, "shop")
			a.FICs = append(a.FICs, &world.FIC{ID: w.NewID(), Name: "release", Issuer: "https://token.actions.githubusercontent.com", Subject: subject,
				Audiences: []string{"api://AzureADTokenExchange"}, Created: w.Clock.Now()})
		})
		j.pass(time.Hour)
	}
	grant := func(j *journey) {
		j.edited("contoso/shop", callerFile, "    uses: contoso/", "    permissions: {id-token: write, contents: read}\n    uses: contoso/")
	}
	convert := func(j *journey) {
		id, tenant, subscription := "", "", ""
		j.change(func(w *world.World) {
			id, tenant = app(w, "shop").AppID, tenantOf(w)
			for s := range w.Subs {
				subscription = s
			}
		})
		j.edited("contoso/workflows", calledFile, "creds: ${{ secrets.AZURE_CREDENTIALS }}",
			"client-id: "+id+"\n          tenant-id: "+tenant+"\n          subscription-id: "+subscription)
	}
	t.Run("in their order", func(t *testing.T) {
		j := start(t)
		p := j.makePlan()
		if len(p.Units) != 0 || len(p.Left) != 2 {
			t.Fatalf("the plan is %+v", p)
		}
		caller := strings.Join(p.Left[0].Next, " ")
		const subject = "repo:contoso/shop:ref:refs/heads/main"
		for _, want := range []string{"trust issuer https://token.actions.githubusercontent.com", subject, "Grant id-token: write to this job", "Remove the credential here"} {
			if !strings.Contains(caller, want) {
				t.Errorf("the steps for the caller do not say %q: %s", want, caller)
			}
		}
		trust(j, subject)
		j.mustSignIn("after the trust was added")
		grant(j)
		j.mustSignIn("after the caller was given id-token: write")
		convert(j)
		j.mustSignIn("after the called file was converted")
		j.edited("contoso/shop", callerFile, "    secrets: inherit\n", "")
		j.mustSignIn("after the caller passes no secret any more")
		for _, l := range j.scan().Logins {
			if len(l.Secrets) > 0 {
				t.Errorf("%s still uses a secret", l.ID)
			}
		}
		j.change(func(w *world.World) { app(w, "shop").Passwords = nil })
		j.mustSignIn("without the password")
	})
	for name, wrong := range map[string]func(*journey){
		"the called file first": func(j *journey) { trust(j, "repo:contoso/shop:ref:refs/heads/main"); convert(j) },
		"nothing is trusted":    func(j *journey) { grant(j); convert(j) },
	} {
		t.Run(name, func(t *testing.T) {
			j := start(t)
			wrong(j)
			if _, failures := j.signIns(); len(failures) == 0 {
				t.Error("it signs in all the same, so that the order shows nothing")
			}
		})
	}
}
