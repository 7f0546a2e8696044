package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// midrun is a network in which something happens from the n-th change of a run on; what only reads does not count.
type midrun struct {
	mu      sync.Mutex
	n, from int
	happens func(*http.Request, func() (*http.Response, error)) (*http.Response, error)
}

func (m *midrun) RoundTrip(r *http.Request) (*http.Response, error) {
	send := func() (*http.Response, error) { return http.DefaultTransport.RoundTrip(r) }
	m.mu.Lock()
	if r.Method != http.MethodGet {
		m.n++
	}
	on := m.happens != nil && m.n >= m.from
	m.mu.Unlock()
	if !on {
		return send()
	}
	return m.happens(r, send)
}

// begin lets it happen from the n-th change on.
func (m *midrun) begin(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n, m.from = 0, n
}

func answer(r *http.Request, status int, kind, body string) *http.Response {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// TestWhatBreaksInTheMiddleOfARunIsExplainedAndTheNextRunGoesOn takes tokens, permissions, names and whole answers away at each of
// several points of an apply. Each unit is where the journal says, with a reason; everything signs in; the next run ends the work.
func TestWhatBreaksInTheMiddleOfARunIsExplainedAndTheNextRunGoesOn(t *testing.T) {
	reader := map[string]string{}
	for _, audience := range []string{world.AudienceAzureDevOps, world.AudienceGraph, world.AudienceARM, world.AudienceGitHub} {
		reader[lab.Token(audience, world.RoleOperator)] = lab.Token(audience, world.RoleReader)
	}
	for name, tc := range map[string]struct {
		happens func(*http.Request, func() (*http.Response, error)) (*http.Response, error)
		want    []string // one of them is said
	}{
		"the token has expired": {func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			return answer(r, 401, "application/json", `{"error":{"code":"InvalidAuthenticationToken","message":"Lifetime validation failed, the token is expired."},"message":"Bad credentials"}`), nil
		}, []string{"401", "expired", "sign in"}},
		"the permission was removed": {func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			if lesser, ok := reader[token]; ok {
				r.Header.Set("Authorization", scheme+" "+lesser)
			}
			return send()
		}, []string{"not permitted", "403", "404", "not found"}},
		"names do not resolve": {func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "graph.microsoft.com", IsNotFound: true}}
		}, []string{"no such host"}},
		"answers are cut short": {func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			a, err := send()
			if err != nil || a.StatusCode >= 300 {
				return a, err
			}
			body, err := io.ReadAll(a.Body)
			if err != nil {
				return nil, err
			}
			a.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{}))
			return a, nil
		}, []string{"unexpected EOF", "not known yet"}},
		"half an answer looks whole": {func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			a, err := send()
			if err != nil || a.StatusCode >= 300 {
				return a, err
			}
			body, err := io.ReadAll(a.Body)
			if err != nil {
				return nil, err
			}
			return answer(r, a.StatusCode, a.Header.Get("Content-Type"), string(body[:len(body)/2])), nil
		}, []string{"unexpected", "not known yet", "invalid", "EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, from := range []int{0, 1, 3, 6, 9, 12} {
				j := smallJourney(t)
				j.makePlan()
				network := &midrun{happens: tc.happens}
				network.begin(from)
				healthy := j.set
				j.set = j.connectWith(transport.Options{Base: network, Attempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }, MaxWait: time.Second})
				r := j.must(func(e *execute.Executor) (execute.Result, error) {
					return e.Apply(context.Background(), execute.ApplyOptions{})
				})
				j.mustSignIn("after " + name)
				said := false
				for _, u := range r.Units {
					if u.State == execute.UnitFailed && u.Reason == "" {
						t.Errorf("from %d on: unit %s failed without a reason", from, u.Unit)
					}
					for _, want := range tc.want {
						said = said || strings.Contains(u.Reason, want)
					}
				}
				if !said && r.Count(execute.UnitPending) < 2 {
					j.log(r)
					t.Errorf("from %d on: nobody is told why", from)
				}
				j.set = healthy
				for range 2 { // what failed at first follows in a pull request of its own
					j.apply()
					j.mustSignIn("after the next run")
					j.pass(time.Minute)
					j.mergeAll()
					j.pass(time.Minute)
				}
				r = j.apply()
				j.want(r, "shop", execute.UnitMigrated, "")
				j.want(r, "tools", execute.UnitMigrated, "")
				j.mustSignIn("in the end")
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestPeopleWhoWorkDuringARunLockNobodyOut lets somebody edit what is being migrated at each change of an apply, between two requests.
// What is refused is planned again.
func TestPeopleWhoWorkDuringARunLockNobodyOut(t *testing.T) {
	edits := map[string]func(*world.World){
		"a workflow": func(w *world.World) {
			r := w.GitHub.Repos["contoso/shop"]
			content := append([]byte("# edited\n"), r.Files(r.Head("main"))[deployFile]...)
			w.CommitFiles(r, "main", "edit", map[string][]byte{deployFile: content})
		},
		"a connection": func(w *world.World) {
			connection(w, "shop-manual").Refs[0].Description = "ours"
			connection(w, "shop-automatic").Refs[0].Name = "shop-automatic-2"
		},
		"an application": func(w *world.World) {
			a := app(w, "shop")
			a.FICs = append(a.FICs, &world.FIC{ID: w.NewID(), Name: "a-colleagues", Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:contoso/other:ref:refs/heads/main", Audiences: []string{"api://AzureADTokenExchange"}, Created: w.Clock.Now()})
		},
		"the repository's variables": func(w *world.World) {
			r := w.GitHub.Repos["contoso/shop"]
			r.Variables = append(r.Variables, &world.Variable{Name: "REGION", Value: "westeurope", Created: w.Clock.Now(), Updated: w.Clock.Now()})
		},
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range []int{1, 2, 4, 6, 8, 10, 12} {
				j := smallJourney(t)
				j.makePlan()
				once := sync.Once{}
				network := &midrun{happens: func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
					once.Do(func() { j.change(edit) })
					return send()
				}}
				network.begin(at)
				j.set = j.connectWith(transport.Options{Base: network})
				j.apply()
				j.mustSignIn("while somebody edits " + name)
				for range 4 { // as a nightly job does
					j.makePlan()
					j.apply()
					j.mustSignIn("after planning again")
					j.mergeAndApply()
					j.mustSignIn("after the merge")
				}
				r := j.verify()
				j.want(r, "shop", execute.UnitVerified, "")
				j.want(r, "tools", execute.UnitVerified, "")
				j.pass(8 * 24 * time.Hour)
				j.revoke()
				j.mustSignIn("after the revoke")
			}
		})
	}
}

// TestAFailedRunOrTestIsNoProof is the live proof: what is trusted on paper has to sign in as well.
func TestAFailedRunOrTestIsNoProof(t *testing.T) {
	t.Run("a run", func(t *testing.T) {
		j := smallJourney(t)
		j.makePlan()
		j.apply()
		j.mergeAndApply()
		j.change(func(w *world.World) {
			r := w.GitHub.Repos["contoso/shop"]
			for _, run := range r.Runs {
				run.Conclusion = "failure"
			}
			w.SignIns = nil
		})
		j.want(j.verify(), "shop", execute.UnitFailed, "since its merge did not succeed: failure")
		j.pass(8 * 24 * time.Hour)
		j.want(j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true}), "shop", execute.UnitFailed, "did not succeed")
	})
	t.Run("a connection", func(t *testing.T) {
		j := smallJourney(t)
		j.migrate()
		j.change(func(w *world.World) { app(w, "shop").SP.Enabled = false })
		j.pass(8 * 24 * time.Hour)
		j.want(j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true}), "shop", execute.UnitFailed, "does not sign in")
		j.change(func(w *world.World) {
			if len(app(w, "shop").Passwords) != 1 {
				t.Error("the password is gone")
			}
		})
	})
}
