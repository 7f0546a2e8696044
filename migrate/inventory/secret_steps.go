package inventory

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// SecretID names a secret of Azure DevOps for a person: where it is, and its name.
func (s PipelineSecret) SecretID() string {
	at := []string{s.Organization, s.Project, s.Pipeline}
	if s.File != "" {
		at = append(at, s.File+":"+strconv.Itoa(s.Line)+":"+strconv.Itoa(s.Column))
	} else {
		at = append(at, s.Stage, s.Job, s.Step)
	}
	return strings.Join(slices.DeleteFunc(append(at, s.Name), func(part string) bool { return part == "" }), "/")
}

// SecretSteps says what a person does to take a pipeline off a secret outside of a connection: which connection signs in instead, what to
// write, and what to delete where.
func (inv *Inventory) SecretSteps(s PipelineSecret) []string {
	web := "https://dev.azure.com/" + url.PathEscape(s.Organization) + "/" + url.PathEscape(s.Project)
	switch s.Kind {
	case PipelineSecretSecureFile:
		return []string{
			"see which pipelines download it (a step DownloadSecureFile@1 that names " + s.Name + ") and what they do with it",
			"where it signs in to Azure: " + inv.connectionStep(s), "then delete it: " + web + "/_library?itemType=SecureFiles"}
	case PipelineSecretVault:
		return []string{"look which secrets of key vault " + s.Vault + " the variable group " + s.Name + " takes, and whether one is a credential of Azure",
			"take the pipelines that use such a one off it as off any other, and leave the vault's connection its rights"}
	}
	steps := []string{inv.connectionStep(s)}
	steps = append(steps, inv.writeSteps(s)...)
	steps = append(steps, deleteSteps(inv, s, web)...)
	return append(steps, "scan again: when nothing else uses the password, the plan removes it")
}

// connectionStep names the connection that signs in instead.
func (inv *Inventory) connectionStep(s PipelineSecret) string {
	c, ok := inv.instead(s)
	switch {
	case !ok && s.AppID != "":
		return fmt.Sprintf("make a service connection in project %s: type Azure Resource Manager, credential workload identity federation, application %s", s.Project, s.AppID)
	case !ok:
		return fmt.Sprintf("find out whose secret it is (the client id beside it), and make a service connection for that application in project %s: type Azure Resource Manager, credential workload identity federation", s.Project)
	case c.Secretless():
		return fmt.Sprintf("use the service connection %s, which signs in as the same application without a secret", c.NameIn(s.Project))
	}
	return fmt.Sprintf("use the service connection %s, which signs in as the same application, and let the plan convert it", c.NameIn(s.Project))
}

// instead finds a connection of the secret's project for the same application, one without a secret first.
func (inv *Inventory) instead(s PipelineSecret) (Connection, bool) {
	var found []Connection
	for _, c := range inv.Connections {
		if s.AppID != "" && c.VisibleIn(s.Organization, s.Project) && strings.EqualFold(string(c.AppID), string(s.AppID)) &&
			strings.EqualFold(c.Type, "azurerm") && !c.Disabled {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return Connection{}, false
	}
	return slices.MinFunc(found, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Name, b.Name))
	}), true
}

// rank puts connections that need no secret first, then the others by their schemes.
func (c Connection) rank() string {
	if c.Secretless() {
		return ""
	}
	return c.Scheme
}

// writeSteps say what stands in the place of what reads the secret. For a variable these are the places that were found to read it.
func (inv *Inventory) writeSteps(s PipelineSecret) []string {
	name := "<the connection>"
	if c, ok := inv.instead(s); ok {
		name = c.NameIn(s.Project)
	}
	if s.Kind == PipelineSecretScript {
		return []string{"in " + s.Text() + ", " + instead(s, name)}
	}
	var out []string
	for _, u := range inv.PipelineSecrets {
		if u.Kind == PipelineSecretScript && u.Organization == s.Organization && u.Project == s.Project && u.takes(s.Name) {
			out = append(out, "in "+u.Text()+", "+instead(u, name))
		}
	}
	if len(out) == 0 {
		return []string{"in each step that reads $(" + s.Name + ") or its variable in the environment (none was found in what was read), " + instead(PipelineSecret{Use: "env", Name: s.Name}, name)}
	}
	return slices.Compact(out)
}

// takes tells whether a script takes its secret from a variable, by the variable's name or as the environment gives it.
func (s PipelineSecret) takes(variable string) bool {
	named := func(n string) bool {
		return strings.EqualFold(strings.ReplaceAll(n, ".", "_"), strings.ReplaceAll(variable, ".", "_"))
	}
	return slices.ContainsFunc(s.Variables, named) || len(s.Variables) == 0 && named(s.Name)
}

// instead is what to write in the place of a use. A step of a classic pipeline has the same inputs under their labels.
func instead(s PipelineSecret, connection string) string {
	lower := strings.ToLower(s.Name)
	switch {
	case s.Use == "input":
		return "set the task's Azure connection (azureSubscription: " + connection + ") in place of the input " + s.Name
	case strings.Contains(lower, "connect-azaccount"):
		return "run the script in AzurePowerShell@5 without Connect-AzAccount: " + yaml("AzurePowerShell@5", connection, "azurePowerShellVersion: LatestVersion", "ScriptType: InlineScript", "Inline: <the script>")
	case strings.HasPrefix(lower, "arm_"):
		return "run Terraform in AzureCLI@2 with the connection's token: " + yaml("AzureCLI@2", connection, "scriptType: bash", "scriptLocation: inlineScript", "addSpnToEnvironment: true",
			`inlineScript: export ARM_CLIENT_ID=$servicePrincipalId ARM_TENANT_ID=$tenantId ARM_USE_OIDC=true ARM_OIDC_TOKEN=$idToken; <the command>`)
	case s.Use == "login":
		return "run the script in AzureCLI@2 without its sign-in: " + yaml("AzureCLI@2", connection, "scriptType: bash", "scriptLocation: inlineScript", "inlineScript: <the script without the line of "+s.Name+">")
	}
	return "run what reads it in AzureCLI@2, whose session Azure's SDKs take over (DefaultAzureCredential): " + yaml("AzureCLI@2", connection, "scriptType: bash", "scriptLocation: inlineScript", "inlineScript: <the command>")
}

// yaml is a step in one line.
func yaml(task, connection string, inputs ...string) string {
	return "- task: " + task + ", inputs: {" + strings.Join(append([]string{"azureSubscription: " + connection}, inputs...), ", ") + "}"
}

// deleteSteps say what to delete where.
func deleteSteps(inv *Inventory, s PipelineSecret, web string) []string {
	id := strconv.Itoa(s.DefinitionID)
	where := " --organization https://dev.azure.com/" + url.PathEscape(s.Organization) + " --project " + quoted(s.Project)
	switch {
	case s.Literal:
		return []string{"take the value out of the text, and count it as known to everyone who can read the repository: remove that password from the application soon, since the text's history keeps it"}
	case s.Kind == PipelineSecretGroup:
		return []string{"delete the variable " + s.Name + " of variable group " + s.Pipeline + " (" + web + "/_library?itemType=VariableGroups&view=VariableGroupView&variableGroupId=" + id +
			"): az pipelines variable-group variable delete --group-id " + id + " --name " + quoted(s.Name) + where}
	case s.Kind == PipelineSecretVariable && s.File != "":
		return []string{"delete the variable " + s.Name + " from the text, and those that it took: " + strings.Join(s.Variables, ", ")}
	case s.Kind == PipelineSecretVariable && inv.isRelease(s):
		return []string{"delete the variable " + s.Name + " of release pipeline " + s.Pipeline + ", of the pipeline or of its stage: " + web + "/_release?definitionId=" + id + ", Edit, Variables"}
	case s.Kind == PipelineSecretVariable:
		return []string{"delete the variable " + s.Name + " of pipeline " + s.Pipeline + " (" + web + "/_build?definitionId=" + id + ", Edit, Variables): az pipelines variable delete --pipeline-id " + id +
			" --name " + quoted(s.Name) + where}
	case len(s.Variables) > 0:
		return []string{"delete the variables that it read, when nothing else reads them: " + strings.Join(s.Variables, ", ")}
	}
	return nil
}

// quoted puts a name between double quotes for a command line. A name in which a shell could see more than a name, in Bash or PowerShell, stays out: whoever
// may name a variable must not write commands for who deletes it.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.:/@()+,=", r)
	}) {
		return `"<its name>"`
	}
	return `"` + s + `"`
}

// isRelease tells whether a secret is of a classic release definition.
func (inv *Inventory) isRelease(s PipelineSecret) bool {
	return slices.ContainsFunc(inv.Pipelines, func(p Pipeline) bool {
		return p.Kind == UseRelease && p.Organization == s.Organization && p.Project == s.Project && p.ID == s.DefinitionID && p.Name == s.Pipeline
	})
}
