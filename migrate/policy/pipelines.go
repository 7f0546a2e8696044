package policy

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const (
	refTasks = "Microsoft Learn: troubleshoot workload identity service connections, the table of tasks"
	refVault = "Microsoft Learn: link a variable group to secrets in Azure Key Vault"
)

// pipelineRules are those about pipelines of Azure DevOps.
func pipelineRules() []Rule {
	return []Rule{
		{
			ID: "pipeline-secret", Name: "Pipeline with a service principal's secret", Severity: High,
			Text:       "A pipeline, a release or a variable group of Azure DevOps holds or uses a service principal's secret outside of a service connection. Converting connections does not take it away, and nothing shows who reads it.",
			Remedy:     []string{"sign in with a service connection with workload identity federation (AzureCLI@2, AzurePowerShell@5), then delete the variable and the credential"},
			References: []string{refSecrets, refIM8, refDS3}, check: pipelineSecret,
		},
		{
			ID: "pipeline-secure-file", Name: "Secure file that looks like a credential", Severity: Medium,
			Text:       "A secure file of the library has the name of a key, a certificate or an identity's credentials. Its content cannot be read, so that a person has to look.",
			Remedy:     []string{"see which pipelines download it (DownloadSecureFile@1); where it signs in to Azure, use a service connection with workload identity federation and delete it"},
			References: []string{refIM8, refDS3}, check: pipelineSecureFile,
		},
		{
			ID: "pipeline-key-vault", Name: "Variable group from a key vault", Severity: Info,
			Text:       "A variable group takes its variables from a key vault through a service connection. The connection's identity must keep its rights on the vault, and what is in the vault can be a service principal's secret itself.",
			Remedy:     []string{"look which of its variables are credentials of Azure, and take those pipelines off them too"},
			References: []string{refVault}, check: pipelineVault,
		},
		{
			ID: "pipeline-incompatible", Name: "Pipeline that a conversion would break", Severity: Medium,
			Text:       "A pipeline uses a service connection in a way that does not work with workload identity federation. The service converts the connection all the same; the pipeline fails at its next run.",
			Remedy:     []string{"change the pipeline first: the finding says how"},
			References: []string{refTasks}, check: pipelineIncompatible,
		},
		{
			ID: "pipeline-unresolved", Name: "Pipeline whose connection is not known", Severity: Info,
			Text:       "The text of a pipeline does not decide which service connection it uses. It can be any of its project that has the type and the parts of the name that the text tells.",
			Remedy:     []string{"look at what the expression becomes in a run, or write the connection's name instead"},
			References: []string{refOwn}, check: pipelineUnresolved,
		},
	}
}

// atPlace is a finding at a place of a pipeline.
func atPlace(p inventory.PipelinePlace, object, message string, evidence ...string) Finding {
	return Finding{Object: object, Repository: inventory.RepositoryName(p.Repository), File: p.File, Line: p.Line, Column: p.Column, Message: message, Evidence: append([]string{"in " + p.Text()}, evidence...)}
}

func placeKey(p inventory.PipelinePlace) string {
	return strings.Join([]string{p.Organization, p.Project, p.Pipeline, p.Repository, p.File, p.Stage, p.Job, p.Step}, "/")
}

// secretObject names a secret of Azure DevOps in findings.
func secretObject(s inventory.PipelineSecret) string {
	switch s.Kind {
	case inventory.PipelineSecretSecureFile:
		return fmt.Sprintf("secure file %s in %s/%s", s.Name, s.Organization, s.Project)
	case inventory.PipelineSecretVault:
		return fmt.Sprintf("variable group %s in %s/%s", s.Name, s.Organization, s.Project)
	}
	return fmt.Sprintf("%s in %s/%s/%s", s.Name, s.Organization, s.Project, s.Pipeline)
}

func pipelineSecret(e *evaluation, r Rule) {
	for _, s := range e.inv.PipelineSecrets {
		switch s.Kind {
		case inventory.PipelineSecretVariable, inventory.PipelineSecretGroup, inventory.PipelineSecretScript:
		default:
			continue
		}
		var evidence []string
		if len(s.Variables) > 0 {
			evidence = append(evidence, "taken from "+strings.Join(s.Variables, ", "))
		}
		f := atPlace(s.PipelinePlace, secretObject(s), fmt.Sprintf("%s: %s", s.Name, s.Reason), evidence...)
		if s.Literal {
			f.Severity, f.Message = Critical, f.Message+"; the value itself stands in the text"
		}
		f.Remedy = e.inv.SecretSteps(s)
		e.add(r, f, s.Kind, s.Name, s.Use, placeKey(s.PipelinePlace))
	}
}

func pipelineSecureFile(e *evaluation, r Rule) {
	e.eachPipelineSecret(r, inventory.PipelineSecretSecureFile, "secure file")
}

func pipelineVault(e *evaluation, r Rule) {
	e.eachPipelineSecret(r, inventory.PipelineSecretVault, "variable group")
}

func (e *evaluation) eachPipelineSecret(r Rule, kind, what string) {
	for _, s := range e.inv.PipelineSecrets {
		if s.Kind == kind {
			f := atPlace(s.PipelinePlace, secretObject(s), fmt.Sprintf("%s %s: %s", what, s.Name, s.Reason))
			f.Remedy = e.inv.SecretSteps(s)
			e.add(r, f, s.Name, placeKey(s.PipelinePlace))
		}
	}
}

func pipelineIncompatible(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		// Nothing of a connection that is federated already is going to break.
		if strings.EqualFold(c.Scheme, inventory.SchemeFederation) {
			continue
		}
		for _, n := range c.Blockers() {
			f := atPlace(n.PipelinePlace, connectionObject(c), fmt.Sprintf("%s uses %s: %s", n.Text(), connectionObject(c), n.Message))
			if n.Task != "" {
				f.Evidence = append(f.Evidence, "task "+n.Task)
			}
			if n.Source != "" {
				f.Evidence = append(f.Evidence, "source: "+n.Source)
			}
			if n.Remedy != "" {
				f.Remedy = []string{n.Remedy}
			}
			e.add(r, f, string(c.ID), n.Rule, placeKey(n.PipelinePlace))
		}
	}
}

func pipelineUnresolved(e *evaluation, r Rule) {
	for _, u := range e.inv.Unresolved {
		var evidence []string
		if len(u.Known) > 0 {
			evidence = append(evidence, "known: "+strings.Join(u.Known, ", "))
		}
		e.add(r, atPlace(u.PipelinePlace, fmt.Sprintf("%s in %s/%s", u.Expression, u.Organization, u.Project+"/"+u.Pipeline), fmt.Sprintf("%s: %s", u.Expression, u.Reason), evidence...), u.Expression, placeKey(u.PipelinePlace))
	}
}
