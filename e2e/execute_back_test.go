package e2e_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// TestNothingGoesOnWithAUnitThatIsBeingRolledBack begins a rollback whose revert waits to be merged. Until the rollback is finished,
// neither an apply, by name or not, nor a verify, nor a revoke touches the unit, whose old secret stays.
func TestNothingGoesOnWithAUnitThatIsBeingRolledBack(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	tools := j.unitID("tools")
	j.want(j.rollback(tools), "tools", execute.UnitPending, "waits to be merged")
	const begun = "its rollback has begun and is not finished"
	for range 2 {
		j.want(j.apply(), "tools", execute.UnitPending, begun)
		j.want(j.applyWith(execute.ApplyOptions{Only: []string{tools}}), "tools", execute.UnitPending, begun)
		j.want(j.verify(), "tools", execute.UnitPending, "unsecret rollback --unit "+tools)
		r := j.must(func(e *execute.Executor) (execute.Result, error) {
			return e.Revoke(context.Background(), execute.RevokeOptions{Only: []string{tools}, Force: true, AcceptNoSignInLog: true})
		})
		j.want(r, "tools", execute.UnitPending, begun)
		j.mustSignIn("before the revert is merged, and after")
		j.pass(time.Minute)
		j.mergeAll()
	}
	j.mustSignIn("after the revert was merged")
	j.want(j.rollback(tools), "tools", execute.UnitRolledBack, "everything is as it was")
	j.mustSignIn("in the end")
}

// losing is a network on which the answer to each conversion is lost, and that to the first look after it.
type losing struct {
	mu    sync.Mutex
	looks int
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	conversion := r.URL.Query().Get("operation") == "ConvertAuthenticationScheme"
	look := l.looks > 0 && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/serviceendpoint/")
	switch {
	case conversion:
		l.looks++
	case look:
		l.looks--
	default:
		return a, nil
	}
	_ = a.Body.Close()
	return nil, io.ErrUnexpectedEOF
}

// TestTrustThatTheServiceAddedIsRemovedEvenWhereTheAnswerToTheConversionWasLost: what the application trusts after the conversion was taken for
// what it trusted before.
func TestTrustThatTheServiceAddedIsRemovedEvenWhereTheAnswerToTheConversionWasLost(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	healthy := j.set
	j.set = j.connectWith(transport.Options{Base: &losing{}, Attempts: 1})
	j.apply()
	j.set = healthy
	j.mustSignIn("after apply")
	j.rollback(unitIDs(j)...)
	j.mustSignIn("after rollback")
	j.change(func(w *world.World) {
		if a := app(w, "shop"); len(a.FICs) != 0 || connection(w, "shop-automatic").Scheme != "ServicePrincipal" {
			t.Errorf("%d federated credentials are left, and the connection has the scheme %s", len(a.FICs), connection(w, "shop-automatic").Scheme)
		}
	})
	records, err := execute.ReadJournal(j.dir)
	if err != nil || !slices.ContainsFunc(records, func(r execute.Record) bool {
		return strings.Contains(r.Note, "the answer was lost") && r.After["added"] != ""
	}) {
		t.Errorf("the journal (%v) does not say that the answer was lost and trust was added", err)
	}
}
