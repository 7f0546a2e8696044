package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// taken says how a permission of the least-privilege set can be taken away on the lab. Where it stands for several permissions of the service, each of them
// is taken away alone.
type taken struct {
	away     []string
	unasked  []string // likewise, but the doctor does not ask, since a service can be switched off
	github   bool     // of GitHub, which the scenario of pipelines has not
	untested bool     // only a change would show it, and the doctor changes nothing
	scanless bool     // a scan does not ask for what needs it
}

var takings = map[string]taken{
	permissions.DevOpsProjects:        {away: []string{"Project Readers"}},
	permissions.DevOpsConnectionRead:  {away: []string{"Service connections: Reader"}},
	permissions.DevOpsConnectionUser:  {away: []string{"Service connections: User"}, untested: true},
	permissions.DevOpsConnectionAdmin: {away: []string{"Service connections: Administrator"}, untested: true, scanless: true},
	permissions.DevOpsConnectionMaker: {away: []string{"Service connections: Administrator"}, untested: true, scanless: true},
	permissions.DevOpsConnectionOff:   {away: []string{"Service connections: Administrator"}, untested: true, scanless: true},
	permissions.DevOpsCodeRead: {away: []string{"Code: Read", "Build: View", "Library: Reader", "Task groups: Reader", "Environments: Reader", "Agent pools: Reader"},
		unasked: []string{"Release: View"}},
	permissions.DevOpsCodeWrite:       {away: []string{"Code: Contribute"}, untested: true, scanless: true},
	permissions.GraphApplicationRead:  {away: []string{"Application.Read.All"}},
	permissions.GraphAuditLog:         {away: []string{"AuditLog.Read.All"}},
	permissions.GraphPolicy:           {away: []string{"Policy.Read.All"}},
	permissions.GraphPolicyWrite:      {away: []string{"Policy.ReadWrite.ApplicationConfiguration"}, untested: true, scanless: true},
	permissions.GraphOwnedBy:          {away: []string{"Application.ReadWrite.OwnedBy"}, untested: true, scanless: true},
	permissions.AzureReader:           {away: []string{"Reader"}},
	permissions.AzureIdentity:         {away: []string{"Managed Identity Contributor"}, untested: true, scanless: true},
	permissions.AzureRoles:            {away: []string{"Role Based Access Control Administrator"}, untested: true, scanless: true},
	permissions.GitHubContents:        {away: []string{"contents: read"}, github: true},
	permissions.GitHubActions:         {away: []string{"actions: read"}, github: true},
	permissions.GitHubAdministration:  {away: []string{"administration: read"}, github: true},
	permissions.GitHubStores:          {away: []string{"secrets: read", "variables: read", "environments: read", "dependabot_secrets: read"}, github: true},
	permissions.GitHubOrganization:    {away: []string{"organization_secrets: read", "organization_actions_variables: read", "organization_administration: read"}, github: true},
	permissions.GitHubWrite:           {away: []string{"contents: write"}, github: true, untested: true, scanless: true},
	permissions.GitHubPulls:           {away: []string{"pull_requests: read"}, github: true, scanless: true},
	permissions.GitHubChecks:          {away: []string{"checks: read", "statuses: read"}, github: true, scanless: true},
	permissions.GitHubVariables:       {away: []string{"variables: write"}, github: true, untested: true, scanless: true},
	permissions.GitHubSecrets:         {away: []string{"secrets: write"}, github: true, untested: true, scanless: true},
	permissions.GitHubOrganizationSet: {away: []string{"organization_secrets, variables: write"}, github: true, untested: true, scanless: true},
	permissions.GitHubProbe:           {away: []string{"actions: write"}, github: true, untested: true, scanless: true},
}

// diagnose is what the doctor says of the lab to a reader.
func (j *journey) diagnose() doctor.Report {
	j.t.Helper()
	set := j.connectAs(world.RoleReader, reading())
	var sources []doctor.Source
	for _, name := range slices.Sorted(maps.Keys(set.AzureDevOps)) {
		sources = append(sources, set.AzureDevOps[name].Probe(j.t.Context()))
	}
	for _, a := range j.lab.Summary().Accounts {
		sources = append(sources, set.GitHub.OwnerProber(a).Probe(j.t.Context()))
	}
	sources = append(sources, set.Entra.Probe(j.t.Context()), set.Azure.Probe(j.t.Context()))
	return doctor.Diagnose(sources, "")
}

// missing are the permissions that the doctor finds missing, and the result of one permission.
func missing(r doctor.Report, of string) (ids []string, one doctor.Result) {
	for _, s := range r.Sources {
		for _, x := range s.Results {
			if x.Name == "clock" { // one scenario has a time of its own
				continue
			}
			if x.State == doctor.Missing || x.State == doctor.Unreachable {
				ids = append(ids, x.Permission)
			}
			if x.Permission == of && (one.Name == "" || x.State == doctor.Missing) {
				one = x
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), one
}

// askEverything changes a lab so that a scan and the doctor have something to ask for with each permission, and nothing that they may not read.
func askEverything(w *world.World) {
	w.Clock.Freeze(w.Clock.Now())
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			c.Unreadable = false
		}
	}
	if r := w.GitHub.Repo("contoso", "api"); r != nil {
		w.AddEnvironment(r, "staging")
		r.Dependabot = append(r.Dependabot, &world.Secret{Name: "NPM_TOKEN", Value: w.NewSecret()})
		r.OIDC.UseDefault, r.OIDC.IncludeClaimKeys = false, nil // it takes the organisation's
	}
}

func TestEveryPermissionThatIsTakenAwayIsNamedByTheDoctorAndByTheScan(t *testing.T) {
	journeys := map[string]*journey{}
	full := map[string]inventory.Inventory{}
	for scenario, seed := range map[string][]byte{"demo": lab.Demo, "pipelines": lab.Pipelines} {
		w, err := lab.LoadSeed(seed)
		if err != nil {
			t.Fatal(err)
		}
		askEverything(w)
		j := startJourney(t, w, nil)
		journeys[scenario] = j
		full[scenario] = comparable(j.scanWith(j.connectAs(world.RoleReader, reading())))
		for _, g := range full[scenario].Gaps {
			if g.Permission != "" {
				t.Errorf("with all permissions there is a gap: %+v", g)
			}
		}
		if ids, _ := missing(j.diagnose(), ""); len(ids) > 0 {
			t.Errorf("with all permissions the doctor misses %v", ids)
		}
	}
	for _, p := range permissions.Needed("") {
		how, ok := takings[p.ID]
		if !ok {
			t.Errorf("%s is never taken away", p.ID)
		}
		for _, away := range slices.Concat(how.away, how.unasked) {
			t.Run(p.ID+"/"+away, func(t *testing.T) {
				scenario := "pipelines"
				if how.github {
					scenario = "demo"
				}
				j := journeys[scenario]
				if err := j.lab.TakeAway(world.RoleReader, away); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = j.lab.TakeAway(world.RoleReader) }()
				if slices.Contains(how.away, away) {
					wantDiagnosis(t, j.diagnose(), p, how)
				}
				wantGap(t, full[scenario], comparable(j.scanWith(j.connectAs(world.RoleReader, reading()))), p, how)
			})
		}
	}
}

// wantDiagnosis demands that the doctor names this permission and no other, the feature that is lost, and what grants it.
func wantDiagnosis(t *testing.T, r doctor.Report, p permissions.Permission, how taken) {
	t.Helper()
	ids, x := missing(r, p.ID)
	if how.untested {
		if len(ids) > 0 || x.State != doctor.Untested || x.Without != p.Without || len(x.Grant) != len(p.Grant) {
			t.Errorf("missing %v; %+v", ids, x)
		}
		return
	}
	if !slices.Equal(ids, []string{p.ID}) {
		t.Errorf("the doctor misses %v", ids)
	}
	if x.Without != p.Without || len(x.Grant) != len(p.Grant) || x.Object == "" || x.Text == "" {
		t.Errorf("%+v", x)
	}
}

// wantGap demands that a scan names the permission in a gap, and no other; and that it finds the same where it does not need it.
func wantGap(t *testing.T, full, got inventory.Inventory, p permissions.Permission, how taken) {
	t.Helper()
	named := map[string]bool{}
	for _, g := range got.Gaps {
		if g.Permission != "" {
			named[g.Permission] = true
		}
		if g.Permission == p.ID && (g.Next == "" || g.Message == "" || g.Object == "") {
			t.Errorf("%+v", g)
		}
	}
	want := map[string]bool{p.ID: true}
	if how.scanless {
		want = map[string]bool{}
		since := gocmp.FilterPath(func(p gocmp.Path) bool { return p.Last().String() == ".Since" }, gocmp.Ignore()) // it is the time of the scan
		if d := gocmp.Diff(full, got, since); d != "" {
			t.Errorf("the scan found something else (-with +without):\n%s", d)
		}
	}
	if !maps.Equal(named, want) {
		var texts []string
		for _, g := range got.Gaps {
			texts = append(texts, fmt.Sprintf("%s: %s: %s", g.Object, g.Permission, g.Message))
		}
		t.Errorf("the gaps name %v, want %v:\n%s", named, want, strings.Join(texts, "\n"))
	}
}
