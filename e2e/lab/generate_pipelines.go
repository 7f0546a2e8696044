package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const azureCLITask = "46e4be58-730b-4389-8a2f-ea10b3e5e815"

// deployTemplate is what most generated pipelines include.
const deployTemplate = `parameters:
- name: connection
  type: string
steps:
- task: AzureCLI@2
  displayName: Deploy
  inputs:
    azureSubscription: ${{ parameters.connection }}
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: az deployment group create -g app -f main.bicep
`

// devOpsPipelines spreads pipelines over the projects. Each project has one repository with a file for each of its YAML pipelines and a template that
// they share; one pipeline in twenty is classic, and one in fifty uses a task that federation breaks.
func (g *generator) devOpsPipelines(org *world.DevOpsOrg, projects []*world.Project) {
	if g.size.Pipelines == 0 {
		return
	}
	byProject := map[string][]*world.Connection{}
	for _, id := range sortedKeys(org.Connections) {
		c := org.Connections[id]
		for _, r := range c.Refs {
			byProject[r.ProjectID] = append(byProject[r.ProjectID], c)
		}
	}
	for i, p := range projects {
		files := map[string]string{"deploy.yml": deployTemplate}
		for n := i; n < g.size.Pipelines; n += len(projects) {
			g.devOpsPipeline(org, p, n, byProject[p.ID], files)
		}
		g.w.AddDevOpsRepo(org, p, "app", files)
	}
}

func (g *generator) devOpsPipeline(org *world.DevOpsOrg, p *world.Project, n int, connections []*world.Connection, files map[string]string) {
	d := &world.Definition{ID: n + 1, ProjectID: p.ID, Name: fmt.Sprintf("pipeline-%05d", n), Repository: "app", RepositoryType: "TfsGit", DefaultBranch: "refs/heads/main", Created: g.w.Clock.Now()}
	org.Definitions = append(org.Definitions, d)
	connection := ""
	if len(connections) > 0 {
		c := connections[n/max(1, g.size.Projects)%len(connections)]
		ref := c.Refs[slices.IndexFunc(c.Refs, func(r *world.ProjectRef) bool { return r.ProjectID == p.ID })]
		connection = ref.Name
		if n%20 == 7 {
			d.Steps = []*world.DesignerStep{{TaskID: azureCLITask, Version: "2.*", Name: "deploy", Inputs: map[string]string{"connectedServiceNameARM": c.ID}}}
			return
		}
	}
	d.YAMLFile = fmt.Sprintf("pipelines/%05d.yml", n)
	files[d.YAMLFile] = generatedYAML(n, connection)
}

func generatedYAML(n int, connection string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# pipeline %d\ntrigger: [main]\npool: {vmImage: ubuntu-latest}\nsteps:\n- script: make test\n", n)
	switch {
	case connection == "":
	case n%50 == 3:
		fmt.Fprintf(&b, "- task: AzureFileCopy@4\n  inputs: {azureSubscription: %s, SourcePath: site, Destination: AzureBlob, storage: site}\n", connection)
	case n%3 == 0:
		fmt.Fprintf(&b, "- task: AzureCLI@2\n  inputs: {azureSubscription: %s, scriptType: bash, scriptLocation: inlineScript, inlineScript: az account show}\n", connection)
	default:
		fmt.Fprintf(&b, "- template: /deploy.yml\n  parameters: {connection: %s}\n", connection)
	}
	return b.String()
}
