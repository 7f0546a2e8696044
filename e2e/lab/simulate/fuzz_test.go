package simulate

import (
	"net/url"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// nobody is an identity provider that refuses everything.
type nobody struct{}

func (nobody) Sign(string, map[string]any) (string, error) { return "token", nil }

func (nobody) Exchange(string, url.Values) (int, map[string]any) {
	return 401, map[string]any{"error_description": "AADSTS700016: Nobody is known here. Trace ID: 1"}
}

// fuzzRun is a run in an empty repository.
func fuzzRun(wf *workflow) *run {
	p := &project{
		owner: "o", name: "r", full: "o/r", defaultBranch: "main",
		secrets: map[string]*object{repositoryStore: newObject()}, vars: map[string]*object{repositoryStore: newObject()},
	}
	return &run{
		s: New(world.New(1), nobody{}), p: p, wf: wf, ev: Event{Name: "push"},
		at: place{ref: "refs/heads/main", context: "ref:refs/heads/main"}, out: &world.WorkflowRun{},
	}
}
