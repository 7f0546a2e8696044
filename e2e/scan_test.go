package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// reading is how a scan connects. Waits are short, since the lab's are.
func reading() transport.Options {
	return transport.Options{ReadOnly: true, Attempts: 20, Backoff: func(int) time.Duration { return time.Millisecond }}
}

func TestAScanWritesNothing(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 5, Repositories: 40, Connections: 30})
	j.lab.ResetCounts()
	inv := j.scanWith(j.connectAs(world.RoleReader, reading()))
	if n := j.lab.Writes(); n != 0 {
		t.Errorf("the scan wrote %d times: %v", n, j.lab.Counts())
	}
	if len(inv.Logins) == 0 || len(inv.Connections) == 0 || len(inv.Identities) == 0 {
		t.Errorf("the scan found %d logins, %d connections and %d identities", len(inv.Logins), len(inv.Connections), len(inv.Identities))
	}
}

// What carries a plan out cannot do anything on the transport of a scan, whatever rights the token has.
func TestATransportThatReadsRefusesEveryChange(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 5, Repositories: 6, Connections: 6})
	p := j.makePlan()
	set := j.connectAs(world.RoleOperator, reading())
	out := set.Outside()
	j.lab.ResetCounts()
	ctx := context.Background()
	tried := map[plan.StepKind]error{}
	for _, u := range p.Units {
		for _, s := range u.Steps {
			var err error
			switch {
			case s.FederatedCredential != nil:
				_, err = out.Directory.AddFederatedCredential(ctx, s.FederatedCredential.Application, s.FederatedCredential.Credential)
			case s.Credential != nil:
				err = out.Directory.RemovePassword(ctx, s.Credential.Application, s.Credential.KeyID)
			case s.Variable != nil:
				err = out.Repositories.SetVariable(ctx, s.Variable.Store, s.Variable.Value)
			case s.Secret != nil:
				err = out.Repositories.DeleteSecret(ctx, s.Secret.Store)
			case s.PullRequest != nil:
				err = out.Repositories.DeleteBranch(ctx, s.PullRequest.Repository, "main")
			default:
				continue
			}
			if !errors.Is(err, transport.ErrWriteWhileReading) {
				t.Errorf("%s: %v, want %v", s.Title, err, transport.ErrWriteWhileReading)
			}
			tried[s.Kind] = err
		}
	}
	if len(tried) < 5 {
		t.Errorf("only these kinds of change were tried: %v", tried)
	}
	if n := j.lab.Writes(); n != 0 {
		t.Errorf("%d changes went through: %v", n, j.lab.Counts())
	}
}

// comparable is an inventory without what depends on the time.
func comparable(inv *inventory.Inventory) inventory.Inventory {
	out := *inv
	out.ScannedAt = time.Time{}
	return out
}

// Faults that pass leave no trace: with enough patience a scan finds the same as without them.
func TestAScanFindsTheSameUnderFaults(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 6, Repositories: 40, Connections: 30})
	want := comparable(j.scanWith(j.connectAs(world.RoleReader, reading())))
	for fault, rate := range map[string]float64{
		"error-500": 0.3, "error-502": 0.3, "error-503": 0.3, "error-504": 0.3, "cut-before": 0.3, "html": 0.3,
		"throttle-200": 0.02, // each is a second of waiting
	} {
		t.Run(fault, func(t *testing.T) {
			j.lab.Faults.Clear()
			if err := j.lab.Faults.SetFault(lab.Fault{Name: fault, Rate: rate, Only: "read"}); err != nil {
				t.Fatal(err)
			}
			defer j.lab.Faults.Clear()
			got := comparable(j.scanWith(j.connectAs(world.RoleReader, reading())))
			// A small page that fails is split and read again, never left out; what is missing all the same is a gap.
			if len(got.Gaps) > len(want.Gaps) {
				t.Logf("gaps: %+v", got.Gaps)
				wantNothingSilentlyClean(t, want, got)
				return
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("under %s (-without +with):\n%s", fault, d)
			}
		})
	}
}

// wantNothingSilentlyClean demands that what is missing under faults is named by a gap.
func wantNothingSilentlyClean(t *testing.T, want, got inventory.Inventory) {
	t.Helper()
	gaps := fmt.Sprint(got.Gaps)
	logins := map[inventory.LoginID]bool{}
	for _, l := range got.Logins {
		logins[l.ID] = true
	}
	for _, l := range want.Logins {
		owner, _, _ := strings.Cut(string(l.Repository), "/")
		if !logins[l.ID] && !strings.Contains(gaps, string(l.Repository)) && !strings.Contains(gaps, "repositories of "+owner) {
			t.Errorf("login %s is missing, and no gap names %s: %s", l.ID, l.Repository, gaps)
		}
	}
	found := map[inventory.ConnectionID]bool{}
	for _, c := range got.Connections {
		found[c.ID] = true
	}
	for _, c := range want.Connections {
		named := slices.ContainsFunc(c.Projects, func(p inventory.ConnectionProject) bool {
			return strings.Contains(gaps, p.Name) || strings.Contains(gaps, string(p.ID))
		})
		if !found[c.ID] && !named && !strings.Contains(gaps, c.Organization) {
			t.Errorf("connection %s is missing, and no gap names its projects: %s", c.Name, gaps)
		}
	}
	apps := map[inventory.AppID]bool{}
	for _, a := range got.Identities {
		apps[a.AppID] = true
	}
	for _, a := range want.Identities {
		if !apps[a.AppID] && !strings.Contains(gaps, string(a.AppID)) && !strings.Contains(gaps, "applications") {
			t.Errorf("identity %s is missing, and no gap names it: %s", a.AppID, gaps)
		}
	}
}

// One broken thing of each kind is a gap with its name, and all else is read.
func TestWhatIsBrokenIsAGapAndStopsNothingElse(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 7, Repositories: 40, Connections: 30})
	want := comparable(j.scanWith(j.connectAs(world.RoleReader, reading())))
	app := want.Identities[len(want.Identities)/2]
	project := want.Connections[0].Projects[0]
	repository := want.Logins[0].Repository
	for _, tc := range []struct {
		name    string
		arrange func(t *testing.T)
		object  string // must be named by a gap
		lost    func(inventory.Inventory) bool
	}{
		{"a repository that GraphQL cannot read", func(*testing.T) {
			j.lab.World.GitHub.Repos[strings.ToLower(string(repository))].Broken = "SERVICE_UNAVAILABLE"
		}, string(repository), nil},
		{"a project that always fails", func(t *testing.T) {
			j.fail(t, lab.Fault{Name: "error-500", Rate: 1, Servers: []string{lab.ServerAzureDevOps}, Path: "/" + string(project.ID) + "/"})
		}, project.Name, nil},
		{"an application whose federated credentials always fail", func(t *testing.T) {
			j.lab.World.Lock()
			j.lab.World.Knobs.Expand = "refuse" // else lists tell them
			j.lab.World.Unlock()
			j.fail(t, lab.Fault{Name: "error-503", Rate: 1, Servers: []string{lab.ServerGraph}, Path: string(app.ObjectID)})
		}, string(app.AppID), nil},
		{"a repository whose settings always fail", func(t *testing.T) {
			j.fail(t, lab.Fault{Name: "error-502", Rate: 1, Servers: []string{lab.ServerGitHub}, Path: "/" + string(repository) + "/actions/oidc"})
		}, string(repository), nil},
		{"the sign-in log", func(t *testing.T) {
			j.fail(t, lab.Fault{Name: "error-500", Rate: 1, Servers: []string{lab.ServerGraph}, Path: "/auditLogs"})
		}, "", func(inv inventory.Inventory) bool {
			return !slices.ContainsFunc(inv.Identities, func(a inventory.Identity) bool { return a.SignIns.Known })
		}},
		{"role assignments", func(t *testing.T) {
			j.fail(t, lab.Fault{Name: "error-500", Rate: 1, Servers: []string{lab.ServerARM}})
		}, "", func(inv inventory.Inventory) bool {
			return !slices.ContainsFunc(inv.Identities, func(a inventory.Identity) bool { return a.RolesKnown })
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j.lab.World.Lock()
			was := j.lab.World.GitHub.Repos[strings.ToLower(string(repository))].Broken
			j.lab.World.Unlock()
			tc.arrange(t)
			defer func() {
				j.lab.Faults.Clear()
				j.lab.World.Lock()
				defer j.lab.World.Unlock()
				j.lab.World.GitHub.Repos[strings.ToLower(string(repository))].Broken = was
				j.lab.World.Knobs.Expand = ""
			}()
			o := reading()
			o.Attempts = 3
			got := comparable(j.scanWith(j.connectAs(world.RoleReader, o)))
			if len(got.Gaps) <= len(want.Gaps) && tc.object != "" {
				t.Errorf("no gap: %+v", got.Gaps)
			}
			if gaps := fmt.Sprint(got.Gaps); !strings.Contains(gaps, tc.object) {
				t.Errorf("no gap names %s: %s", tc.object, gaps)
			}
			if tc.lost != nil && !tc.lost(got) {
				t.Error("what could not be read is told as known")
			}
			wantNothingSilentlyClean(t, want, got)
			if len(got.Logins) < len(want.Logins)-5 || len(got.Connections) < len(want.Connections)-10 || len(got.Identities) < len(want.Identities)-1 {
				t.Errorf("more is missing than is broken: %d of %d logins, %d of %d connections, %d of %d identities", len(got.Logins), len(want.Logins),
					len(got.Connections), len(want.Connections), len(got.Identities), len(want.Identities))
			}
		})
	}
}

func (j *journey) fail(t *testing.T, f lab.Fault) {
	t.Helper()
	if err := j.lab.Faults.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// A token without any right reads nothing, and a scan says so instead of finding everything clean.
func TestAScanWithoutRightsIsNotClean(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 7, Repositories: 5, Connections: 5})
	set := j.connectAs(world.RoleOutsider, reading())
	inv, err := scan.Run(context.Background(), scan.Sources{AzureDevOps: set.DevOpsSources([]string{"contoso"}), Entra: set.Entra, Azure: set.Azure,
		GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: []string{"contoso"}}}}, scan.Options{Now: set.Transport.Now, AllApplications: true})
	if err == nil && len(inv.Gaps) == 0 {
		t.Errorf("nothing could be read, and the scan found it clean: %+v", inv)
	}
	if n := j.lab.Counts().Of(lab.ServerGitHub, http.MethodGet); n > 50 {
		t.Errorf("%d requests to be told no", n)
	}
}
