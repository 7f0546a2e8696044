package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/sampling"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// refusing is a network that answers one kind of change with a status, in the words of the service, from some change on.
type refusing struct {
	mu     sync.Mutex
	status int
	at, n  int
	hit    string // what was refused
	bodies map[string]string
}

func (f *refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	refused := false
	if r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/oauth2/") && !asks(r) {
		f.n++
		refused = f.n == f.at
	}
	if refused {
		f.hit = r.Method + " " + r.URL.Path
	}
	f.mu.Unlock()
	if !refused {
		return http.DefaultTransport.RoundTrip(r)
	}
	return answer(r, f.status, "application/json", f.bodies[r.URL.Host]), nil
}

// asks tells whether a POST only asks for something.
func asks(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/graphql") && r.ContentLength < 1200 || strings.Contains(r.URL.Path, "Microsoft.ResourceGraph")
}

// words are what each service of the lab says with a status.
func words(j *journey, status int) map[string]string {
	host := func(address string) string { return strings.TrimPrefix(address, "http://") }
	text := map[int]string{401: "Bad credentials", 403: "Insufficient privileges to complete the operation.", 404: "Not Found", 409: "It is being changed.", 422: "Validation failed."}[status]
	code := map[int]string{401: "InvalidAuthenticationToken", 403: "Authorization_RequestDenied", 404: "Request_ResourceNotFound", 409: "Request_Conflict", 422: "Request_BadRequest"}[status]
	e := j.lab.World.Endpoints
	return map[string]string{
		host(e.Graph):       fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":"1"}}}`, code, text),
		host(e.ARM):         fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, text),
		host(e.GitHub):      fmt.Sprintf(`{"message":%q,"documentation_url":"https://docs.github.com/rest"}`, text),
		host(e.AzureDevOps): fmt.Sprintf(`{"$id":"1","message":%q,"typeKey":"VssServiceException","errorCode":0,"eventId":3000}`, text),
	}
}

// TestEveryFailedStepSaysWhatFailedAndWhatToDoNext refuses each change of an apply, a revoke and a rollback with each status. What failed is named with its
// object and the reason, in words and not in JSON; what is to be done names the permission and what grants it, or the sign-in, or the
// command that goes on. Status says the same afterwards. Nothing stops signing in, and the next run goes on.
func TestEveryFailedStepSaysWhatFailedAndWhatToDoNext(t *testing.T) {
	phases := map[string]func(e *execute.Executor, j *journey) (execute.Result, error){
		"apply": func(e *execute.Executor, _ *journey) (execute.Result, error) {
			return e.Apply(context.Background(), execute.ApplyOptions{})
		},
		"revoke": func(e *execute.Executor, _ *journey) (execute.Result, error) {
			return e.Revoke(context.Background(), execute.RevokeOptions{})
		},
		"rollback": func(e *execute.Executor, j *journey) (execute.Result, error) {
			return e.Rollback(context.Background(), execute.RollbackOptions{Units: unitIDs(j)})
		},
	}
	says := map[int][]string{401: {"sign in again"}, 403: {"the caller needs ", "unsecret doctor"}, 404: {"unsecret plan --unit "}, 409: {"", ""}, 422: {"", ""}}
	for phase, work := range phases {
		for status := range says {
			t.Run(phase+" "+strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				step := 3
				if sampling.Long() {
					step = 1
				}
				seen := 0
				for at := 1 + status%step; at < 40; at += step {
					j := smallJourney(t)
					if phase == "apply" {
						j.makePlan()
					} else {
						j.migrate()
						j.pass(8 * 24 * time.Hour)
					}
					if phase == "rollback" {
						j.revoke()
					}
					healthy := j.set
					network := &refusing{status: status, at: at, bodies: words(j, status)}
					j.set = j.connectWith(transport.Options{Base: network, Attempts: 1})
					r := j.must(func(e *execute.Executor) (execute.Result, error) { return work(e, j) })
					j.set = healthy
					if network.hit == "" {
						break
					}
					seen++
					j.explained(r, network.hit, status, says[status])
					j.mustSignIn("after " + network.hit)
					j.explainedByStatus(r)
					j.must(func(e *execute.Executor) (execute.Result, error) { return work(e, j) })
					j.mustSignIn("after the next run")
				}
				if seen == 0 {
					t.Error("nothing was refused")
				}
			})
		}
	}
}

// takes are what the requests of smallJourney take, by a part of their path and by whether they change something.
var takes = []struct {
	path   string
	change bool
	need   string
}{
	{"/federatedidentitycredentials", true, permissions.GraphOwnedBy}, {"/addpassword", true, permissions.GraphOwnedBy}, {"/removepassword", true, permissions.GraphOwnedBy},
	{"/applications", false, permissions.GraphApplicationRead},
	{"/secrets", true, permissions.GitHubSecrets}, {"/variables", true, permissions.GitHubVariables},
	{"/variables/", false, permissions.GitHubVariables}, // it is read to be written
	{"/oidc/customization", false, permissions.GitHubActions},
	{"/git/refs", true, permissions.GitHubWrite}, {"/graphql", true, permissions.GitHubWrite}, {"/pulls", true, permissions.GitHubWrite}, {"/git/blobs", false, permissions.GitHubContents},
	{"/git/ref", false, permissions.GitHubContents},
	{"/endpointproxy", true, permissions.DevOpsConnectionUser}, {"/serviceendpoint/endpoints", true, permissions.DevOpsConnectionAdmin}, {"/serviceendpoint/endpoints", false, permissions.DevOpsConnectionRead},
}

// taking is the name of the permission that a request takes; empty: it is in no list.
func taking(method, path string) string {
	for _, x := range takes {
		if strings.Contains(strings.ToLower(path), x.path) && x.change == (method != http.MethodGet) {
			p, _ := permissions.Named(x.need)
			return p.Name
		}
	}
	return ""
}

// explained looks at what failed.
func (j *journey) explained(r execute.Result, hit string, status int, says []string) {
	j.t.Helper()
	check := func(what, reason string, next []string) {
		text := strings.Join(next, "\n")
		switch {
		case len(next) == 0:
			j.t.Errorf("%s %d on %s: no next step after: %s", r.Command, status, hit, reason)
		case strings.Contains(reason+text, `{"`) || strings.Contains(reason+text, "<html"):
			j.t.Errorf("%s %d on %s: raw data: %s", r.Command, status, hit, reason)
		case len(reason) < 30 || what == "":
			j.t.Errorf("%s %d on %s: it is not said what failed: %s", r.Command, status, hit, reason)
		}
		if !strings.Contains(reason, "HTTP "+strconv.Itoa(status)) && !strings.Contains(reason, "the answer is withheld") {
			return // it failed by what the refusal led to
		}
		method, path, _ := strings.Cut(hit, " ")
		if need := taking(method, path); status == http.StatusForbidden && (need == "" || !strings.Contains(text, need)) {
			j.t.Errorf("%s %d on %s: %q is not said: %s\n-> %s", r.Command, status, hit, need, reason, text)
		}
		for _, want := range says {
			if !strings.Contains(text, want) {
				j.t.Errorf("%s %d on %s: %q is not said: %s\n-> %s", r.Command, status, hit, want, reason, text)
			}
		}
	}
	for _, u := range r.Units {
		failed := false
		for _, s := range u.Steps {
			if s.State == execute.StepFailed {
				failed = true
				check(s.Title, s.Reason, s.Next)
			}
		}
		if u.State == execute.UnitFailed && !failed {
			check(u.Title, u.Reason, u.Next)
		}
	}
}

// explainedByStatus sees that what an apply or a revoke said of a failed step is in the journal.
func (j *journey) explainedByStatus(r execute.Result) {
	j.t.Helper()
	for _, u := range j.status().Units {
		for _, s := range u.Steps {
			if s.State == execute.StepFailed && len(s.Next) == 0 {
				j.t.Errorf("after %s status says no next step for %s: %s", r.Command, s.Title, s.Reason)
			}
		}
	}
}

// notShown is a network that answers 403, in the words of the service, to what is read at a path.
type notShown struct {
	mu     sync.Mutex
	path   string
	n      int
	bodies map[string]string
}

func (f *notShown) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || !strings.Contains(strings.ToLower(r.URL.Path), f.path) {
		return http.DefaultTransport.RoundTrip(r)
	}
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
	return answer(r, http.StatusForbidden, "application/json", f.bodies[r.URL.Host]), nil
}

// TestWhoMayNotReadIsToldTheRightToRead refuses each kind of read of an apply, a verify and a revoke. The right that is named is that to read, where the step takes no more.
func TestWhoMayNotReadIsToldTheRightToRead(t *testing.T) {
	for _, x := range takes {
		if x.change {
			continue
		}
		t.Run(strings.Trim(strings.ReplaceAll(x.path, "/", " "), " "), func(t *testing.T) {
			p, ok := permissions.Named(x.need)
			if !ok {
				t.Fatalf("there is no permission %s", x.need)
			}
			j := smallJourney(t)
			j.makePlan()
			network, said := &notShown{path: x.path, bodies: words(j, http.StatusForbidden)}, ""
			healthy := j.set
			for _, work := range []func() execute.Result{j.apply, func() execute.Result { j.mergeAll(); return j.apply() }, j.verify, j.revoke} {
				j.set = j.connectWith(transport.Options{Base: network, Attempts: 1})
				said += fmt.Sprintf("%+v\n", work())
				j.set = healthy
				work()
			}
			if network.n == 0 || !strings.Contains(said, "HTTP 403") {
				t.Fatalf("%d reads were refused:\n%s", network.n, said)
			}
			if !strings.Contains(said, "the caller needs "+p.Name) {
				t.Errorf("%q is not said:\n%s", p.Name, said)
			}
		})
	}
}
