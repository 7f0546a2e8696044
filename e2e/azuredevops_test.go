package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func pipelinesJourney(t *testing.T, change func(*world.World), settings func(*plan.Config)) *journey {
	t.Helper()
	w, err := lab.LoadSeed(lab.Pipelines)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	j := startJourney(t, w, nil)
	j.settings = func(c *plan.Config) {
		c.Connections.UnusedDays = 0
		if settings != nil {
			settings(c)
		}
	}
	return j
}

// outline is a plan of connections, for a reader.
func outlineOf(p *plan.Plan) string {
	var b strings.Builder
	reasons := func(what string, list []plan.Reason) {
		for _, r := range list {
			fmt.Fprintf(&b, "  %s %s: %s: %s\n", what, r.Code, r.Object, r.Message)
			for _, n := range r.Next {
				fmt.Fprintf(&b, "      %s\n", n)
			}
		}
	}
	for _, u := range p.Units {
		fmt.Fprintf(&b, "unit %s %s\n", u.Title, u.Kind)
		reasons("blocked", u.Blockers)
		reasons("withheld", u.Withheld)
		reasons("note", u.Notes)
		for _, s := range u.Steps {
			fmt.Fprintf(&b, "  %s %s\n", s.Phase, s.Title)
		}
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "left %s (%s): %s: %s\n", l.Object, l.Place, l.Code, l.Reason)
	}
	return b.String()
}

func TestPipelinesDecideWhatIsConverted(t *testing.T) {
	j := pipelinesJourney(t, nil, nil)
	got := outlineOf(j.makePlan())
	file := filepath.Join("testdata", "azuredevops", "plan.txt")
	if os.Getenv("UNSECRET_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// scheme is a connection's scheme in the lab, with what it holds.
func (j *journey) scheme(name string) string {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			if c.Refs[0].Name == name {
				return c.Scheme + " " + c.Params["authenticationType"]
			}
		}
	}
	j.t.Fatalf("no connection %s", name)
	return ""
}

func TestCertificatesAreConvertedAndGivenBack(t *testing.T) {
	j := pipelinesJourney(t, nil, func(c *plan.Config) { c.Connections.UnusedDays = -1 })
	before := j.scheme("signer")
	p := j.makePlan()
	j.log(j.apply())
	if got := j.scheme("signer"); got != "WorkloadIdentityFederation " {
		t.Fatalf("before %q, after apply %q", before, got)
	}
	j.pass(time.Hour)
	for _, u := range p.Units {
		if u.Title == "signer" {
			j.log(j.rollback(u.ID))
		}
	}
	if got := j.scheme("signer"); got != before {
		t.Errorf("after rollback %q, want %q", got, before)
	}
}

func TestRegistriesAreConvertedWhereTheServiceDoesIt(t *testing.T) {
	for accepted, want := range map[bool]string{true: "WorkloadIdentityFederation ", false: "ServicePrincipal spnKey"} {
		t.Run(fmt.Sprintf("accepted %t", accepted), func(t *testing.T) {
			j := pipelinesJourney(t, func(w *world.World) { w.Knobs.ACRConvert = accepted }, func(c *plan.Config) { c.Connections.Registry = plan.ConnectionsConvert })
			j.makePlan()
			r := j.apply()
			j.log(r)
			if got := j.scheme("registry"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			text := fmt.Sprintf("%+v", r)
			if said := strings.Contains(text, "neither an upgrade or a downgrade"); said == accepted {
				t.Errorf("the service's refusal is told: %t", said)
			}
			if u := j.unit(r, "pusher"); !accepted && (!strings.Contains(strings.Join(u.Next, "\n"), "set connections.registry: recreate") || !strings.Contains(strings.Join(u.Next, "\n"), "plan again: unsecret plan")) {
				t.Errorf("a person is told %q", u.Next)
			}
		})
	}
}

func TestEntrasIssuerIsTrustedBeforeThePersonUpdates(t *testing.T) {
	j := pipelinesJourney(t, nil, nil)
	p := j.makePlan()
	var moved plan.Unit
	for _, u := range p.Units {
		if u.Kind == plan.KindIssuer {
			moved = u
		}
	}
	if moved.Title != "reporting (issuer)" || !moved.Deadline.Equal(plan.IssuerDeadline) || len(moved.Steps) != 2 || moved.Steps[1].Kind != plan.StepTrustRemoval {
		t.Fatalf("%+v", moved)
	}
	j.log(j.apply())
	j.want(j.verify(), moved.ID, execute.UnitVerified, "")
	// The person presses Update: the service presents Entra's subject from then on.
	w := j.lab.World
	w.Lock()
	for _, c := range w.DevOps["fabrikam"].Connections {
		if c.Refs[0].Name == "reporting" {
			f := moved.Steps[0].FederatedCredential.Credential
			c.Params["workloadIdentityFederationIssuer"], c.Params["workloadIdentityFederationSubject"] = f.Issuer, f.Subject
		}
	}
	w.Unlock()
	j.pass(time.Hour)
	o, err := j.lab.UseConnection(t.Context(), "fabrikam", "reporting")
	if err != nil || !o.OK {
		t.Fatalf("after the update it does not sign in: %+v %v", o, err)
	}
	j.want(j.verify(), moved.ID, execute.UnitVerified, "")
	for _, u := range j.makePlan().Units {
		if u.Kind == plan.KindIssuer && (u.ID != moved.ID || len(u.Steps) != 1 || u.Steps[0].ID != moved.Steps[1].ID) {
			t.Errorf("more than the removal is planned again: %+v", u)
		}
	}
	found := false
	for _, f := range policy.Evaluate(j.scan(), policy.Config{}) {
		found = found || f.Rule == "trust-old-issuer" && strings.Contains(f.Message, "sc://fabrikam/Platform/reporting")
	}
	if !found {
		t.Error("nobody is told to remove the old federated credential")
	}
}

// inScaleSet puts the agents of pool linux into a scale set that Azure DevOps keeps with a connection.
func inScaleSet(connection string) func(*world.World) {
	return func(w *world.World) {
		c := devOps(w, connection)
		for _, p := range w.DevOps["fabrikam"].Pools {
			if p.Name == "linux" {
				p.ScaleSet = "/subscriptions/s/resourceGroups/agents/providers/Microsoft.Compute/virtualMachineScaleSets/linux-agents"
				p.ConnectionID, p.ProjectID = strings.ToUpper(c.ID), c.Refs[0].ProjectID
			}
		}
	}
}

func TestAgentsInAScaleSetAreAdvisedAnIdentityOfTheirOwn(t *testing.T) {
	const rule = policy.RuleAgentsInAzure
	found := func(change func(*world.World)) (string, *inventory.Inventory, []policy.Finding) {
		inv := pipelinesJourney(t, change, nil).scan()
		all := policy.Evaluate(inv, policy.Config{})
		var text []string
		for _, f := range all {
			if f.Rule == rule {
				text = append(text, f.Message, strings.Join(f.Evidence, "; "), strings.Join(f.Remedy, "; "))
			}
		}
		return strings.Join(text, "\n"), inv, all
	}
	if text, _, _ := found(nil); text != "" {
		t.Errorf("agents that run nobody knows where: %s", text)
	}
	text, inv, all := found(inScaleSet("forgotten"))
	for _, want := range []string{"connection deployer in fabrikam stores a credential", "on agents in Azure (scale set linux-agents)", "runs in pool linux", "az vmss identity assign --ids /subscriptions/s/", "agent-assigned"} {
		if !strings.Contains(text, want) {
			t.Errorf("the finding lacks %q:\n%s", want, text)
		}
	}
	for i, c := range inv.Connections {
		why := explain.Why(explain.Input{Inventory: inv, Findings: all}, inv.ConnectionObject(i))
		if told := slices.ContainsFunc(why.Reasons, func(r explain.Reason) bool { return r.Code == rule && len(r.Next) > 2 }); told != (c.Name == "deployer") {
			t.Errorf("why %s tells it: %t", c.Name, told)
		}
	}
}

// inManagedPool keeps the agents of pool linux in a Managed DevOps Pool that is called so in this organisation.
func inManagedPool(identities ...string) func(*world.World) {
	return func(w *world.World) {
		w.ManagedPools = []*world.ManagedPool{{Resource: "/subscriptions/s/resourceGroups/agents/providers/Microsoft.DevOpsInfrastructure/pools/mdp-prod", Name: "mdp-prod", Alias: "builders", Identities: identities,
			Organizations: []world.PoolOrganization{{URL: "https://dev.azure.com/contoso"}, {URL: "https://dev.azure.com/fabrikam", Alias: "Linux"}}}}
	}
}

func TestAgentsInAManagedPoolAreAdvisedAnIdentityOfTheirOwn(t *testing.T) {
	const identity = "/subscriptions/s/resourceGroups/agents/providers/Microsoft.ManagedIdentity/userAssignedIdentities/agents"
	for name, tc := range map[string]struct {
		change func(*world.World)
		want   []string
	}{
		"without an identity": {inManagedPool(), []string{"agents in Azure (Managed DevOps Pool mdp-prod), which can have an identity of their own", "one user-assigned identity (Azure portal, /subscriptions/s/", "agent-assigned"}},
		"with one":            {inManagedPool(identity), []string{"which have an identity of their own", "give the identity that Managed DevOps Pool mdp-prod has, " + identity}},
		"with two":            {inManagedPool(identity, identity+"-2"), []string{"has 2 identities: a connection by managed identity works where the agents have one only"}},
		"called otherwise here": {func(w *world.World) {
			inManagedPool(identity)(w)
			w.ManagedPools[0].Organizations[1].Alias = ""
		}, nil},
		"of another organisation": {func(w *world.World) {
			inManagedPool(identity)(w)
			w.ManagedPools[0].Organizations = w.ManagedPools[0].Organizations[:1]
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inv := pipelinesJourney(t, tc.change, nil).scan()
			var text string
			for _, f := range policy.Evaluate(inv, policy.Config{}) {
				if f.Rule == policy.RuleAgentsInAzure {
					text += f.Message + "; " + strings.Join(f.Evidence, "; ") + "; " + strings.Join(f.Remedy, "; ")
				}
			}
			if tc.want == nil && text != "" {
				t.Errorf("it is advised: %s", text)
			}
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("the finding lacks %q:\n%s", want, text)
				}
			}
		})
	}
}

func TestManagedPoolsThatCannotBeReadAreAGap(t *testing.T) {
	j := pipelinesJourney(t, inManagedPool(), nil)
	j.set = j.connectWith(transport.Options{Base: refuses("/providers/Microsoft.ResourceGraph/resources"), Attempts: 1})
	if inv := j.scan(); !slices.ContainsFunc(inv.Gaps, func(g inventory.Gap) bool {
		return g.Object == "Managed DevOps Pools" && strings.Contains(g.Next, "Reader")
	}) {
		t.Errorf("gaps: %+v", inv.Gaps)
	}
}

func TestAConnectionThatKeepsAgentsIsNotToBeDeleted(t *testing.T) {
	unused := func(change func(*world.World)) string {
		for _, f := range policy.Evaluate(pipelinesJourney(t, change, nil).scan(), policy.Config{}) {
			if f.Rule == "connection-unused" && strings.Contains(f.Object, "forgotten") {
				return f.Message + " " + strings.Join(f.Remedy, "; ")
			}
		}
		return ""
	}
	if text := unused(nil); !strings.Contains(text, "then delete it") {
		t.Errorf("without agents: %q", text)
	}
	if text := unused(inScaleSet("forgotten")); !strings.Contains(text, "is named by agent pool Platform/linux") || strings.Contains(text, "then delete it") {
		t.Errorf("with agents: %q", text)
	}
}

func TestScaleSetsThatCannotBeReadAreAGapAndThePoolsStay(t *testing.T) {
	j := pipelinesJourney(t, inScaleSet("forgotten"), nil)
	j.set = j.connectWith(transport.Options{Base: refuses("/distributedtask/elasticpools"), Attempts: 1})
	inv := j.scan()
	if len(inv.Pools) != 2 {
		t.Errorf("%d pools", len(inv.Pools))
	}
	if !slices.ContainsFunc(inv.Gaps, func(g inventory.Gap) bool {
		return g.Object == "agent pools of fabrikam" && strings.Contains(g.Message, "scale set agent pools")
	}) {
		t.Errorf("gaps: %+v", inv.Gaps)
	}
}

// refuses answers 403 to requests whose path contains it.
type refuses string

func (part refuses) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, string(part)) {
		return &http.Response{StatusCode: http.StatusForbidden, Status: "403 Forbidden", Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(`{"message":"TF400813: not authorized"}`)), Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}
