package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
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
	if moved.Title != "reporting (issuer)" || !moved.Deadline.Equal(plan.IssuerDeadline) || len(moved.Steps) != 1 {
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
		if u.Kind == plan.KindIssuer {
			t.Errorf("the issuer is planned again: %+v", u)
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
