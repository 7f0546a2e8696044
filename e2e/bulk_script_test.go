package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The script that Microsoft publishes for converting many connections (Microsoft Learn: "Connect to Azure with an ARM service connection", section "Convert
// multiple ARM service connections with a script") does this for one project: it lists the connections of scheme ServicePrincipal and type azurerm that are
// ready; leaves out those that Azure DevOps did not make and those that another project shares; and for each other one puts back what it got, with the scheme
// changed, and takes any answer that is not empty for success. Here it runs over all projects.
type bulkScript struct {
	t         *testing.T
	l         *lab.Lab
	converted []string // ids, in their order
}

func (s *bulkScript) run() {
	for _, p := range s.projects() {
		var list struct{ Value []map[string]any }
		s.ask(http.MethodGet, p, "?authSchemes=ServicePrincipal&type=azurerm&includeFailed=false&includeDetails=true&api-version=7.1", nil, &list)
		for _, e := range list.Value {
			if s.convertible(e, p) {
				s.convert(p, e)
			}
		}
	}
	slices.Sort(s.converted)
}

func (s *bulkScript) projects() []string {
	w := s.l.World
	w.Lock()
	defer w.Unlock()
	var names []string
	for _, p := range w.DevOps["contoso"].Projects {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

func (s *bulkScript) convertible(e map[string]any, project string) bool {
	data, _ := e["data"].(map[string]any)
	if data == nil || data["creationMode"] != "Automatic" {
		return false
	}
	refs, _ := e["serviceEndpointProjectReferences"].([]any)
	if shared, _ := e["isShared"].(bool); !shared || len(refs) == 0 {
		return true
	}
	origin, _ := refs[0].(map[string]any)["projectReference"].(map[string]any)
	return origin["name"] == project
}

func (s *bulkScript) convert(project string, e map[string]any) {
	e["authorization"].(map[string]any)["scheme"] = "WorkloadIdentityFederation"
	delete(e["data"].(map[string]any), "revertSchemeDeadline")
	id := e["id"].(string)
	if s.ask(http.MethodPut, project, "/"+id+"?operation=ConvertAuthenticationScheme&api-version=7.1", e, nil) {
		s.converted = append(s.converted, id)
	}
}

func (s *bulkScript) ask(method, project, rest string, body, into any) bool {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.l.World.Endpoints.AzureDevOps+"/contoso/"+url.PathEscape(project)+"/_apis/serviceendpoint/endpoints"+rest, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+lab.Token(world.AudienceAzureDevOps, world.RoleOperator))
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if into != nil {
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			s.t.Fatal(err)
		}
	}
	return answer.StatusCode == http.StatusOK
}

// federated are the connections that do not store a secret any more.
func federated(l *lab.Lab) []string {
	w := l.World
	w.Lock()
	defer w.Unlock()
	var ids []string
	for id, c := range w.DevOps["contoso"].Connections {
		if c.Scheme == "WorkloadIdentityFederation" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// byPhase are the requests that each phase made.
type byPhase struct {
	name  string
	total int
	kinds string
}

func phase(l *lab.Lab, name string) byPhase {
	counts := l.Counts()
	l.ResetCounts()
	slices.SortStableFunc(counts, func(a, b lab.Count) int { return b.N - a.N })
	var kinds []string
	for _, c := range counts[:min(6, len(counts))] {
		kinds = append(kinds, fmt.Sprintf("%d %s %s", c.N, c.Server, c.Kind))
	}
	return byPhase{name, counts.Total(""), strings.Join(kinds, "\n      ")}
}

// Against the script, on the same organisation: how many requests each makes for its conversions, what more unsecret converts, and that what it asks
// beyond the script is for what the script leaves out: trust for connections that people made, reading back, a test of each connection, roles
// and pipelines.
func TestRequestsAgainstMicrosoftsBulkScript(t *testing.T) {
	for _, n := range []int{30, 120} {
		if n > 100 && testing.Short() {
			continue
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			size := lab.Size{Seed: 11, Connections: n, Projects: n / 10}
			script := &bulkScript{t: t, l: generatedJourney(t, size).lab}
			before := federated(script.l)
			script.l.ResetCounts()
			script.run()
			scripted := phase(script.l, "script")

			j := generatedJourney(t, size)
			j.lab.ResetCounts()
			j.makePlan()
			phases := []byPhase{phase(j.lab, "scan and plan")}
			j.apply()
			phases = append(phases, phase(j.lab, "apply"))
			j.pass(time.Hour) // for what waits for the propagation of trust
			j.apply()
			phases = append(phases, phase(j.lab, "apply, again"))
			j.verify()
			phases = append(phases, phase(j.lab, "verify"))

			ours := slices.DeleteFunc(federated(j.lab), func(id string) bool { return slices.Contains(before, id) })
			for _, id := range script.converted {
				if !slices.Contains(ours, id) {
					t.Logf("connection %s is converted by the script alone", id)
				}
			}
			t.Logf("%d connections in %d projects", n, size.Projects)
			t.Logf("script: %d requests for %d conversions; nothing is read back, tested or recorded\n      %s", scripted.total, len(script.converted), scripted.kinds)
			for _, p := range phases {
				t.Logf("unsecret, %s: %d requests\n      %s", p.name, p.total, p.kinds)
			}
			apply := phases[1].total + phases[2].total
			t.Logf("unsecret: %d conversions; %.1f requests each in apply, %.1f in verify", len(ours), float64(apply)/float64(len(ours)), float64(phases[3].total)/float64(len(ours)))
			if len(ours) < len(script.converted) {
				t.Errorf("%d conversions, where the script makes %d", len(ours), len(script.converted))
			}
			if apply > 18*len(ours) {
				t.Errorf("apply made %d requests for %d conversions", apply, len(ours))
			}
		})
	}
}
