package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

const terraformOrganisation = `
seed: 17
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: infra
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
github:
  - name: contoso
    permissions: read
    repositories:
      - name: infra
        secrets: [{name: ARM_CLIENT_SECRET, password: infra}]
        files:
          main.tf: |
            provider "azurerm" {
              features {}
            }
          .github/workflows/infra.yml: |
            name: Infra
            on:
              push:
                branches: [main]
            jobs:
              apply:
                runs-on: ubuntu-latest
                steps:
                  - run: terraform apply -auto-approve
                    env:
                      ARM_CLIENT_ID: the-app
                      ARM_CLIENT_SECRET: ${{ secrets.ARM_CLIENT_SECRET }}
                      ARM_TENANT_ID: the-tenant
`

// TestALoginThatTheTerraformCodeContradictsIsNeverPlanned: what the environment says does not matter where the code says otherwise, so the plan
// leaves the login and its secret alone, with the lines to change; once they are changed it is planned.
func TestALoginThatTheTerraformCodeContradictsIsNeverPlanned(t *testing.T) {
	w, mapping, err := lab.LoadSeedMapping([]byte(terraformOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	j := startJourney(t, w, mapping)
	j.edited("contoso/infra", ".github/workflows/infra.yml", "the-app", app(w, "infra").AppID)
	j.edited("contoso/infra", ".github/workflows/infra.yml", "the-tenant", tenantOf(w))
	j.mustSignIn("before")
	if p := j.makePlan(); !touches(p) {
		t.Fatalf("code that says nothing: %d units, left %+v", len(p.Units), p.Left)
	}
	for name, tc := range map[string]struct {
		code   string
		review bool // a person may take the decision by the level of the plan
	}{
		"secret": {"  client_secret = var.client_secret\n", false}, "off": {"  use_oidc = false\n", false},
		"unknown": {"  use_oidc = var.use_oidc\n", true}, "broken": {"  use_oidc = \n\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			j := *j
			j.t = t
			j.edited("contoso/infra", "main.tf", "  features {}\n", "  features {}\n"+tc.code)
			defer j.edited("contoso/infra", "main.tf", tc.code, "")
			inv := j.scan()
			for level, planned := range map[string]bool{plan.LevelSafe: false, plan.LevelNeedsReview: tc.review} {
				config := j.config()
				config.Level = level
				p, err := plan.New(inv, config)
				if err != nil {
					t.Fatal(err)
				}
				if touches(p) != planned {
					t.Errorf("at level %s the login or its credential is changed: %v; left %+v", level, !planned, p.Left)
				}
				if said := fmt.Sprint(p.Left, inv.Logins); !strings.Contains(said, "main.tf") {
					t.Errorf("nothing names the code: %s", said)
				}
			}
		})
	}
	j.edited("contoso/infra", "main.tf", "provider", `resource "github_actions_secret" "sp" {
  repository  = "infra"
  secret_name = "ARM_CLIENT_SECRET"
}
resource "azuread_application" "infra" {
  display_name = "infra"
}
resource "azuread_application_password" "pipeline" {
  application_id = azuread_application.infra.id
}
provider`)
	noted := ""
	for _, u := range j.makePlan().Units {
		noted += fmt.Sprint(u.Notes)
	}
	for _, want := range []string{"github_actions_secret.sp in contoso/infra/main.tf:1 makes it", "azuread_application_password.pipeline in contoso/infra/main.tf:8 makes it"} {
		if !strings.Contains(noted, want) {
			t.Errorf("no note says %q: %s", want, noted)
		}
	}
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/infra"]
		w.CommitFiles(r, "main", "by hand", map[string][]byte{"versions.tf": []byte("terraform {\n  required_providers {\n    azurerm = {\n      source  = \"hashicorp/azurerm\"\n      version = \"~> 2.99\"\n    }\n  }\n}\n")})
	})
	j.lab.ResetCounts()
	inv := j.scan()
	if l := inv.Logins[0]; l.Conversion != inventory.ConversionManual || !strings.Contains(strings.Join(l.Manual, " "), `versions.tf:5: write version = ">= 3.7.0" in place of version = "~> 2.99"`) {
		t.Errorf("the login of an old provider is %s: %v", l.Conversion, l.Manual)
	}
	trees := 0
	for _, c := range j.lab.Counts() {
		if strings.Contains(c.Kind, "/git/trees/") {
			trees += c.N
		}
	}
	if trees != 1 {
		t.Errorf("%d listings of the repository's files", trees)
	}
	if j.lab.Writes() != 0 {
		t.Error("the scan wrote")
	}
}

// touches tells whether a plan changes a workflow or takes a credential away.
func touches(p *plan.Plan) bool {
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.PullRequest != nil || s.Secret != nil || s.Credential != nil {
				return true
			}
		}
	}
	return false
}

const terraformPipelines = `
seed: 18
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: infra
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Infra]
    connections:
      - {name: infra, projects: [Infra], identity: infra, usedBy: apply, lastUsed: 1d}
    repositories:
      - project: Infra
        name: code
        files:
          live/main.tf: |
            provider "azurerm" {
              features {}
            }
          other/main.tf: |
            resource "azuredevops_serviceendpoint_azurerm" "this" {
              service_endpoint_name = "infra"
            }
            provider "azurerm" {
              features {}
              use_oidc = false
            }
          azure-pipelines.yml: &pipeline |
            trigger: [main]
            steps:
            - task: TerraformTaskV4@4
              inputs:
                provider: azurerm
                command: apply
                workingDirectory: $(System.DefaultWorkingDirectory)/live
                environmentServiceNameAzureRM: infra
    pipelines:
      - {project: Infra, name: apply, repository: code, file: azure-pipelines.yml}
      - {project: Infra, name: apply-github, repository: contoso/infra, github: true, file: azure-pipelines.yml}
github:
  - name: contoso
    permissions: read
    repositories:
      - name: infra
        files:
          azure-pipelines.yml: *pipeline
          live/main.tf: |
            provider "azurerm" {
              features {}
            }
`

// TestAConnectionWhoseTerraformCodeContradictsIsNotConverted: a task of Terraform signs in by the connection, as the code in its repository says,
// on Azure Repos and on GitHub.
func TestAConnectionWhoseTerraformCodeContradictsIsNotConverted(t *testing.T) {
	w, _, err := lab.LoadSeedMapping([]byte(terraformPipelines))
	if err != nil {
		t.Fatal(err)
	}
	j := startJourney(t, w, nil)
	if p := j.makePlan(); !converts(p) {
		t.Fatalf("code that says nothing against it keeps the connection: %s", outlineOf(p))
	}
	if said := outlineOf(j.plan); !strings.Contains(said, "other/main.tf:1, azuredevops_serviceendpoint_azurerm.this (service_endpoint_name") {
		t.Errorf("the plan does not tell where Terraform makes the connection: %s", said)
	}
	const secret = "provider \"azurerm\" {\n  features {}\n  client_secret = var.client_secret\n}\n"
	j.change(func(w *world.World) {
		w.CommitFiles(j.repo("Infra", "code"), "main", "by hand", map[string][]byte{"live/main.tf": []byte(secret)})
	})
	j.held("Azure Repos", "live/main.tf:3: take out client_secret = var.client_secret")
	j.change(func(w *world.World) {
		w.CommitFiles(j.repo("Infra", "code"), "main", "by hand", map[string][]byte{"live/main.tf": []byte("provider \"azurerm\" {\n  features {}\n}\n")})
		w.CommitFiles(w.GitHub.Repos["contoso/infra"], "main", "by hand", map[string][]byte{"live/main.tf": []byte(secret)})
	})
	j.held("GitHub", "live/main.tf:3: take out client_secret = var.client_secret")
}

// held demands that the connection is not converted, and that the plan says what to change.
func (j *journey) held(where, change string) {
	j.t.Helper()
	p := j.makePlan()
	if converts(p) {
		j.t.Errorf("code on %s that contradicts: the connection is converted", where)
	}
	if said := fmt.Sprintf("%+v", p); !strings.Contains(said, change) {
		j.t.Errorf("code on %s: the plan does not say %q: %s", where, change, outlineOf(p))
	}
}

func converts(p *plan.Plan) bool {
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.Kind == plan.StepConnection && len(u.Blockers) == 0 {
				return true
			}
		}
	}
	return false
}

// TestAConnectionThatCameIntoTerraformsHandsIsNotChanged: nobody who has reviewed the plan has read what the next terraform apply would do.
func TestAConnectionThatCameIntoTerraformsHandsIsNotChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		begin    func(*testing.T) *journey
		of, unit string
		kind     plan.StepKind
	}{
		"converted": {func(t *testing.T) *journey { t.Helper(); return pipelinesJourney(t, nil, nil) }, "store-production", "fabrikam-store-automatic", plan.StepConnection},
		"replaced":  {func(t *testing.T) *journey { t.Helper(); return registryJourney(t, nil) }, "registry", "pusher", plan.StepReplacement},
	} {
		t.Run(name, func(t *testing.T) {
			j := tc.begin(t)
			describe := func(text string) {
				j.change(func(w *world.World) {
					c := devOps(w, tc.of)
					for i := range c.Refs {
						c.Refs[i].Description = text
					}
				})
			}
			state := func() (out []execute.StepResult) {
				for _, s := range j.unit(j.apply(), tc.unit).Steps {
					if s.Kind == tc.kind {
						out = append(out, s)
					}
				}
				return out
			}
			j.makePlan()
			j.pass(time.Hour)
			describe("Managed by Terraform")
			if s := state(); len(s) != 1 || s[0].State != execute.StepRefused || !strings.Contains(s[0].Reason, `manager moved from nothing to "Terraform"`) {
				t.Fatalf("%+v", s)
			}
			if c := j.found(tc.of); c.Scheme != "ServicePrincipal" {
				t.Errorf("it is %s", c.Scheme)
			}
			if text := outlineOf(j.makePlan()); !strings.Contains(text, "its description says that Terraform manages it") {
				t.Errorf("a new plan does not tell:\n%s", text)
			}
			describe("") // whoever manages it no more has changed nothing that the plan warned of
			if s := state(); len(s) != 1 || s[0].State != execute.StepDone {
				t.Errorf("%+v", s)
			}
		})
	}
}
