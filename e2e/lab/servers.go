package lab

import (
	"net/http"

	"github.com/unsecret-dev/unsecret/e2e/lab/arm"
	"github.com/unsecret-dev/unsecret/e2e/lab/azuredevops"
	"github.com/unsecret-dev/unsecret/e2e/lab/github"
	"github.com/unsecret-dev/unsecret/e2e/lab/graph"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
)

// simulation is what lets the world's pipelines run.
type simulation struct {
	Simulator *simulate.Simulator
}

// handlers makes the servers of the world and lets them cause each other's events.
func (l *Lab) handlers() map[string]http.Handler {
	l.Simulator = simulate.New(l.World, l.Login)
	return map[string]http.Handler{
		ServerLogin:       l.Login.Handler(),
		ServerGraph:       graph.New(l.World),
		ServerAzureDevOps: azuredevops.New(l.World, azuredevops.WithSignIn(l.Simulator.SignIn)),
		ServerGitHub:      github.New(l.World, github.WithOnPush(l.onPush), github.WithOnDispatch(l.onDispatch)),
		ServerARM:         arm.New(l.World),
	}
}
