package azuredevops_test

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// TestNoSequenceOfChangesBreaksAConnection does what operators, people and time do to a connection, in any order.
func TestNoSequenceOfChangesBreaksAConnection(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLab(t)
		l.w.Knobs.ConvertOldIssuer = rapid.Bool().Draw(rt, "old issuer")
		l.w.Knobs.ConvertAsync = time.Duration(rapid.IntRange(0, 1).Draw(rt, "async")) * time.Hour
		c := rapid.SampledFrom([]*world.Connection{l.auto, l.manual}).Draw(rt, "connection")
		rt.Repeat(map[string]func(*rapid.T){
			"convert": func(rt *rapid.T) { l.attempt(rt, c, federation, nil, convert) },
			"revert":  func(rt *rapid.T) { l.attempt(rt, c, byKey, nil, convert) },
			"new key": func(rt *rapid.T) {
				l.attempt(rt, c, byKey, map[string]string{"serviceprincipalkey": l.w.NewSecret()}, "")
			},
			"time":     func(rt *rapid.T) { l.w.Clock.Move(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours")) * time.Hour) },
			"trust":    func(*rapid.T) { l.trusted(c.ID) },
			"distrust": func(*rapid.T) { l.app.FICs = nil },
			"":         func(rt *rapid.T) { l.invariants(rt, c) },
		})
	})
}

// attempt tries a change: refused, it must change nothing.
func (l *lab) attempt(rt *rapid.T, c *world.Connection, scheme string, params map[string]string, operation string) {
	l.mustGet(c.ID) // ends a conversion whose time has come
	before, fics := copyOf(c), len(l.app.FICs)
	if _, err := l.put(body(c, scheme, params), operation); err == nil {
		return
	}
	if d := cmp.Diff(before, copyOf(c)); d != "" || len(l.app.FICs) != fics {
		rt.Errorf("a refused change changed the connection (-before +after):\n%s", d)
	}
}

func copyOf(c *world.Connection) world.Connection {
	copied := *c
	copied.Params, copied.Hidden, copied.Data = maps.Clone(c.Params), maps.Clone(c.Hidden), maps.Clone(c.Data)
	return copied
}

func (l *lab) invariants(rt *rapid.T, c *world.Connection) {
	e := l.mustGet(c.ID)
	p := params(e)
	_, key := p["serviceprincipalkey"]
	_, deadline := (*e.Data)["revertSchemeDeadline"]
	switch *e.Authorization.Scheme {
	case federation:
		if p["workloadIdentityFederationIssuer"] == "" || p["workloadIdentityFederationSubject"] == "" || key || !deadline {
			rt.Errorf("a federated connection shows %v, %v", p, *e.Data)
		}
	case byKey:
		if p["workloadIdentityFederationIssuer"] != "" || !key || deadline || p["authenticationType"] != "spnKey" {
			rt.Errorf("a connection with a key shows %v, %v", p, *e.Data)
		}
	}
	if p["tenantid"] != tenantID || p["serviceprincipalid"] != appID {
		rt.Errorf("the identity was lost: %v", p)
	}
	if !strings.Contains(c.Hidden["serviceprincipalkey"], world.Canary) {
		rt.Error("the stored key was lost")
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	l := newLab(t)
	l.trusted(manualID)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			scheme, c := federation, autoID
			if i%2 == 0 {
				scheme = byKey
			}
			if i%4 < 2 {
				c = manualID
			}
			payload := `{"authorization":{"scheme":"` + scheme + `"},` + refs("n"+c, shopID)[1:]
			l.raw("PUT", "/contoso/_apis/serviceendpoint/endpoints/"+c+"?api-version=7.1&operation="+convert, operator, payload)
			l.raw("GET", "/contoso/"+shopID+"/_apis/serviceendpoint/endpoints", readerTok, "")
			l.raw("POST", "/contoso/"+shopID+"/_apis/serviceendpoint/endpointproxy?api-version=7.1&endpointId="+c, operator,
				`{"dataSourceDetails":{"dataSourceName":"TestConnection"}}`)
		})
	}
	wg.Wait()
	if n := len(l.app.FICs); n > 2 {
		t.Errorf("got %d federated credentials for 2 connections", n)
	}
}
