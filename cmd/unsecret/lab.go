package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/providers/auth"
)

type labOptions struct {
	scenario     string
	workflows    string
	repositories int
	connections  int
	projects     int
	pipelines    int
	identities   int
	loginEvery   int
	seed         uint64
	latency      time.Duration
	faults       []string
	writeConfig  string
	output       string
}

func newLab(a *app) *cobra.Command {
	o := labOptions{}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Serve an emulated organisation on loopback",
		Long: `Serves Azure DevOps, GitHub (REST and GraphQL), Microsoft Graph, Azure Resource Manager and the
Entra token endpoint on loopback until it is interrupted, so that unsecret or any other client can be
pointed at them. Pull requests merge, runs run, tokens are signed and checked, and the clock can be
moved through the control API below {login}/_lab/ (GET it for a summary).

With -o json it prints one line: endpoints, organisation names and tokens for every role.
--write-config writes an unsecret.yaml that points at it, with the mapping of secrets to identities;
the tokens go into the environment, as the output says.`,
		Example: `  unsecret lab --write-config unsecret.yaml
  unsecret lab --repositories 200 --connections 80 -o json
  unsecret lab --projects 500 --connections 10000 --pipelines 50000 \
      --identities 5000 --write-config unsecret.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.lab(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", "", "seed `file` of the organisation (default the demo's)")
	f.StringVar(&o.workflows, "workflows", "", "load the workflow files of a `directory`, one repository for each owner and name in its ../index.tsv")
	f.IntVar(&o.repositories, "repositories", 0, "generate an organisation with this `number` of repositories")
	f.IntVar(&o.connections, "connections", 0, "and this `number` of service connections")
	f.IntVar(&o.projects, "projects", 0, "the connections are in this `number` of projects (default one for every ten)")
	f.IntVar(&o.pipelines, "pipelines", 0, "which have this `number` of pipelines")
	f.IntVar(&o.identities, "identities", 0, "and there is this `number` of applications (default one for every three uses)")
	f.IntVar(&o.loginEvery, "login-every", 1, "of the generated repositories, one in so many signs in to Azure")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that decides the generated organisation, and which requests faults hit")
	f.DurationVar(&o.latency, "latency", 0, "delay of every answer")
	f.StringSliceVar(&o.faults, "fault", nil, "switch a fault on: `NAME=RATE`, such as throttle=0.1")
	f.StringVar(&o.writeConfig, "write-config", "", "write a configuration `file` that points at the lab")
	cmd.MarkFlagsMutuallyExclusive("scenario", "workflows", "repositories")
	outputFlag(cmd, &o.output, "table", "json")
	return cmd
}

// labInfo is the line that lab prints.
type labInfo struct {
	Endpoints     world.Endpoints              `json:"endpoints"`
	GraphQL       string                       `json:"graphql"`
	Control       string                       `json:"control"`
	Tenant        string                       `json:"tenant"`
	Organizations map[string][]string          `json:"organizations"` // by system: azureDevOps, github
	Tokens        map[string]map[string]string `json:"tokens"`        // by role, then by system
	Mapping       lab.Mapping                  `json:"mapping"`       // which identity is behind which GitHub secret
}

func (a *app) lab(ctx context.Context, o labOptions) error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	w, mapping, err := o.world()
	if err != nil {
		return err
	}
	l, err := lab.Start(w, lab.Options{Latency: o.latency, AutoRun: true, FaultSeed: o.seed})
	if err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	defer l.Close()
	for _, f := range o.faults {
		name, rate, ok := strings.Cut(f, "=")
		var r float64
		if _, err := fmt.Sscanf(rate, "%g", &r); !ok || err != nil {
			return usageErrorf("invalid argument %q for --fault: it must be NAME=RATE", f)
		}
		if err := l.Faults.Set(name, r); err != nil {
			return usageErrorf("invalid argument %q for --fault: %w", f, err)
		}
	}
	if o.writeConfig != "" {
		if err := writeLabConfig(o.writeConfig, labConfig(w, mapping)); err != nil {
			return err
		}
	}
	info := newLabInfo(w, mapping)
	if o.output == "json" {
		if err := json.NewEncoder(a.std.out).Encode(info); err != nil {
			return err
		}
	} else {
		a.printLab(info, o)
	}
	<-ctx.Done()
	return nil
}

func (o labOptions) world() (*world.World, lab.Mapping, error) {
	switch {
	case o.workflows != "":
		w := world.New(o.seed)
		m, err := lab.LoadWorkflows(w, o.workflows, filepath.Join(o.workflows, "..", "index.tsv"))
		if err != nil {
			return nil, nil, usageErrorf("%w", err)
		}
		return w, m, nil
	case o.repositories > 0 || o.connections > 0:
		w, m := lab.Generate(lab.Size{Repositories: o.repositories, Connections: o.connections, Projects: o.projects, Pipelines: o.pipelines, Identities: o.identities, LoginEvery: o.loginEvery, Seed: o.seed})
		return w, m, nil
	case o.scenario == "":
		return lab.LoadSeedMapping(lab.Demo)
	}
	text, err := os.ReadFile(o.scenario)
	if err != nil {
		return nil, nil, usageErrorf("read the scenario: %w", err)
	}
	w, m, err := lab.LoadSeedMapping(text)
	if err != nil {
		return nil, nil, usageErrorf("%s: %w", o.scenario, err)
	}
	return w, m, nil
}

func newLabInfo(w *world.World, mapping lab.Mapping) labInfo {
	w.Lock()
	defer w.Unlock()
	info := labInfo{Endpoints: w.Endpoints, GraphQL: w.Endpoints.GitHub + "/graphql", Control: w.Endpoints.Login + "/_lab/",
		Organizations: organizations(w), Tokens: map[string]map[string]string{}, Mapping: mapping}
	for id := range w.Tenants {
		info.Tenant = id
	}
	for _, role := range []string{world.RoleReader, world.RoleOperator, world.RoleOutsider} {
		info.Tokens[role] = map[string]string{}
		for _, audience := range []string{world.AudienceAzureDevOps, world.AudienceGitHub, world.AudienceGraph, world.AudienceARM} {
			info.Tokens[role][audience] = lab.Token(audience, role)
		}
	}
	return info
}

func organizations(w *world.World) map[string][]string {
	out := map[string][]string{"azureDevOps": {}, "github": {}}
	for _, o := range w.DevOps {
		out["azureDevOps"] = append(out["azureDevOps"], o.Name)
	}
	for _, acc := range w.GitHub.Accounts {
		out["github"] = append(out["github"], acc.Login)
	}
	slices.Sort(out["azureDevOps"])
	slices.Sort(out["github"])
	return out
}

// labConfig is the configuration that points at a lab.
func labConfig(w *world.World, mapping lab.Mapping) *config {
	w.Lock()
	defer w.Unlock()
	orgs := organizations(w)
	c := &config{
		AzureDevOps: devOpsConfig{Endpoint: w.Endpoints.AzureDevOps, Organizations: orgs["azureDevOps"]},
		GitHub:      githubConfig{Endpoint: w.Endpoints.GitHub, Host: "github.com", Organizations: orgs["github"]},
		Entra:       entraConfig{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login, AllApplications: true},
		Azure:       azureConfig{Endpoint: w.Endpoints.ARM},
		Auth:        authConfig{Azure: auth.ModeEnvironment},
	}
	for id := range w.Tenants {
		c.Entra.Tenant = id
	}
	for _, h := range mapping {
		c.Plan.Mapping = append(c.Plan.Mapping, plan.Mapping{
			Organization: h.Account, Repository: inventory.RepositoryName(h.Repository), Environment: h.Environment,
			Secret: h.Name, AppID: inventory.AppID(h.AppID),
		})
	}
	// Nobody is harmed on a lab, whose pull requests are reviewed: it is migrated as a whole, at the pace of a demonstration.
	soak := plan.DefaultSoak
	c.Plan.IncludeShared, c.Plan.AllowFlexible, c.Plan.Level, c.Plan.Soak = true, true, plan.LevelNeedsReview, &soak
	c.Plan.Revoke = plan.RevokeRules{Share: 100, Name: []string{plan.NameNone}}
	c.Plan.Connections.UnusedDays = -1 // many connections of a generated lab have no history
	return c
}

// labEnvironment gives the tokens of a role where the program looks for them.
func labEnvironment(role string) func(string) string {
	tokens := map[string]string{
		auth.EnvAzureDevOps: lab.Token(world.AudienceAzureDevOps, role), auth.EnvGraph: lab.Token(world.AudienceGraph, role),
		auth.EnvARM: lab.Token(world.AudienceARM, role), "GITHUB_TOKEN": lab.Token(world.AudienceGitHub, role),
	}
	return func(name string) string { return tokens[name] }
}

func writeLabConfig(name string, c *config) error {
	if _, err := os.Stat(name); err == nil {
		return usageErrorf("%s exists: move it away, or choose another name", name)
	}
	var doc yaml.Node
	if err := doc.Encode(c); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	prune(&doc)
	b, err := yaml.Marshal(&doc)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := writeFile(name, b); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// prune takes out of a mapping what says nothing: empty texts, zeros, empty lists and mappings.
func prune(n *yaml.Node) (empty bool) {
	switch n.Kind {
	case yaml.MappingNode:
		var kept []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !prune(n.Content[i+1]) {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
		n.Content = kept
		return len(kept) == 0
	case yaml.SequenceNode:
		for _, c := range n.Content {
			prune(c)
		}
		return len(n.Content) == 0
	}
	return n.Value == "" || n.Value == "0" || n.Value == "false" || n.Tag == "!!null"
}

func (a *app) printLab(info labInfo, o labOptions) {
	w := a.std.out
	fmt.Fprintln(w, "The lab serves until it is interrupted.")
	fmt.Fprintln(w)
	for _, e := range [][2]string{{"Azure DevOps", info.Endpoints.AzureDevOps}, {"GitHub", info.Endpoints.GitHub}, {"Graph", info.Endpoints.Graph}, {"ARM", info.Endpoints.ARM}, {"login", info.Endpoints.Login}, {"control", info.Control}} {
		fmt.Fprintf(w, "  %-13s %s\n", e[0], e[1])
	}
	fmt.Fprintf(w, "  %-13s %s\n", "tenant", info.Tenant)
	fmt.Fprintln(w)
	fmt.Fprintln(w, "To act as the operator (there are also reader and outsider):")
	fmt.Fprintln(w)
	getenv := labEnvironment(world.RoleOperator)
	for _, name := range []string{auth.EnvAzureDevOps, auth.EnvGraph, auth.EnvARM, "GITHUB_TOKEN"} {
		fmt.Fprintf(w, "  export %s=%s\n", name, getenv(name))
	}
	if o.writeConfig != "" {
		fmt.Fprintf(w, "\nThen, with %s in this directory: unsecret scan\n", o.writeConfig)
	}
}
