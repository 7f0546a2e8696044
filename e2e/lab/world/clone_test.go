package world_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func TestAWorldIsClonedWhileOthersWaitForIt(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Repositories: 12, Connections: 12, Pipelines: 12, Seed: 3})
	before := w.Describe()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if diff := cmp.Diff(before, w.Clone().Describe()); diff != "" {
				t.Errorf("the clone differs (-world +clone):\n%s", diff)
			}
		})
	}
	wg.Wait()
}

func TestACloneIsEqualAndSharesNothingThatCanChange(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Repositories: 12, Connections: 12, Pipelines: 12, Seed: 3})
	c := w.Clone()
	// Unexported fields are an index, a cache, and what the next ids come from, which NewID shows.
	plain := cmp.Options{cmpopts.IgnoreUnexported(world.World{}, world.GitHub{}, world.Clock{}), cmpopts.IgnoreFields(world.World{}, "Mutex")}
	if diff := cmp.Diff(w, c, plain); diff != "" {
		t.Fatalf("the clone differs (-world +clone):\n%s", diff)
	}
	before := w.Describe()
	for _, tenant := range c.Tenants {
		for _, a := range tenant.Apps {
			a.Passwords = nil
		}
	}
	for _, o := range c.DevOps {
		for _, con := range o.Connections {
			con.Scheme, con.Refs[0].Name = "WorkloadIdentityFederation", "another"
			con.Params["serviceprincipalid"] = "another"
		}
	}
	for _, r := range c.GitHub.Repos {
		c.CommitFiles(r, r.DefaultBranch, "change", map[string][]byte{"new": []byte("new")})
		r.Secrets, r.Variables = nil, append(r.Variables, &world.Variable{Name: "NEW"})
		maps.DeleteFunc(r.Refs, func(string, string) bool { return false })
	}
	c.Clock.Move(time.Hour)
	if diff := cmp.Diff(before, w.Describe()); diff != "" {
		t.Errorf("a change of the clone changed the world:\n%s", diff)
	}
	if w.Clock.Now().Equal(c.Clock.Now()) {
		t.Error("they share a clock")
	}
	if c.Describe() == before {
		t.Error("the description does not show the change")
	}
	again := w.Clone()
	if a, b := w.NewID(), again.NewID(); a != b {
		t.Errorf("the next id is %s in one and %s in the other", a, b)
	}
}
