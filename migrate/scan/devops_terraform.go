package scan

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// terraform asks the code of a definition's repository whether the steps that run Terraform by a connection would still sign in after a conversion.
// The code is read for these alone.
func (r *projectReader) terraform(ctx context.Context, d pipeline.BuildDefinition, result *pipeline.Result, texts []pipeline.File) {
	if len(result.Terraform) == 0 {
		return
	}
	typ, repository, branch := d.Repository.Type, r.repositoryName(d), branchOf(d)
	if strings.EqualFold(typ, typeAzureRepos) { // one question tells whether anything was pushed to it
		r.out.Files = append(r.out.Files, fileVersion{Type: typ, Repository: repository, Ref: branch})
	} else {
		r.out.failed = true // to ask whether the code has changed is as much work as to read it
	}
	code := r.o.terraformCode(ctx, typ, repository, branch)
	for _, u := range code.Unread {
		r.out.Gaps = append(r.out.Gaps, toldGap{Key: "terraform|" + strings.ToLower(repository) + "|" + u.Path, Gap: inventory.Gap{Source: inventory.SourceAzureDevOps,
			Object: "Terraform code of repository " + repository, File: u.Path, Message: "the Terraform code could not be read: " + u.Reason, Next: terraform.NextUnread}})
	}
	name := inventory.RepositoryName(repository)
	if known, ok := r.o.repository(repository); ok && strings.EqualFold(typ, typeAzureRepos) {
		name = inventory.AzureReposName(r.o.source.Name, known.Project.Name, known.Name)
	}
	r.out.Terraform = append(r.out.Terraform, workflow.Resources(name, code)...)
	for _, u := range result.Terraform {
		q := terraform.Question{Sets: func(variable string) bool { return setsVariable(d, texts, variable) }}
		if u.Directory != "" {
			q.Directories = []string{u.Directory}
		}
		result.Checks = append(result.Checks, pipeline.TerraformChecks(u, code.Judge(q))...)
	}
}

// setsVariable tells whether a pipeline may give an input variable of Terraform a value: its text names it, or a file of variables, or one of its own
// variables does.
func setsVariable(d pipeline.BuildDefinition, texts []pipeline.File, name string) bool {
	named := regexp.MustCompile(`(?i)\b(?:tf_var_)?` + regexp.QuoteMeta(name) + `\b|-var-file|\.tfvars\b`)
	for _, f := range texts {
		if named.Match(f.Content) {
			return true
		}
	}
	for variable := range d.Variables {
		if named.MatchString(variable) {
			return true
		}
	}
	return false
}

// terraformCode reads and parses the Terraform code of a repository once, and keeps what was parsed, which is little.
func (o *organization) terraformCode(ctx context.Context, typ, repository, branch string) *terraform.Code {
	key := fileKey(typ, repository, "", branch)
	o.mu.Lock()
	read := o.code[key]
	if read == nil {
		read = sync.OnceValue(func() *terraform.Code { return terraform.Parse(o.readTerraform(ctx, typ, repository, branch)) })
		o.code[key] = read
	}
	o.mu.Unlock()
	return read()
}

func (o *organization) readTerraform(ctx context.Context, typ, repository, branch string) terraform.Files {
	failed := func(reason string) terraform.Files {
		return terraform.Files{Unread: []terraform.Unread{{Reason: reason}}}
	}
	switch strings.ToLower(typ) {
	case typeAzureRepos:
		known, ok := o.repository(repository)
		if !ok {
			return failed("repository " + repository + " is not visible in Azure Repos")
		}
		files, err := o.org.Terraform(ctx, known, branch)
		if err != nil {
			return failed(err.Error())
		}
		return files
	case typeGitHub, typeGitHubGHES:
		return o.s.gitHubTerraform(ctx, inventory.RepositoryName(repository), branch)
	}
	return failed("the repository is of type " + typ + ", which this program does not read")
}

// gitHubTerraform reads the code through the first GitHub client that has the repository.
func (s *scanner) gitHubTerraform(ctx context.Context, name inventory.RepositoryName, branch string) terraform.Files {
	reason := "repository " + string(name) + " is on GitHub, and the scan was given no GitHub to read"
	for _, files := range s.gitHubFiles {
		client, ok := files.(GitHub)
		if !ok {
			continue
		}
		ref, err := client.Resolve(ctx, name)
		if err != nil {
			reason = err.Error()
			continue
		}
		read, err := client.Terraform(ctx, []inventory.Repository{{Name: ref.Name, NodeID: ref.NodeID, HeadOID: branch}})
		if err != nil {
			reason = err.Error()
			continue
		}
		return read[ref.Name]
	}
	return terraform.Files{Unread: []terraform.Unread{{Reason: reason}}}
}
