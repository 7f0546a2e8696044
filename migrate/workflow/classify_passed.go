package workflow

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// classifyPassed treats a login whose credential comes from the callers of its file.
func (a *analysis) classifyPassed(f *finding) {
	c := f.channels[0]
	const steps = "Give the called file the client, tenant and subscription ids as inputs instead of the credential, pass them from every caller, and grant id-token: write to the calling jobs first."
	if len(a.callers[c.target.path]) == 0 {
		a.classifyUncalled(f)
		return
	}
	for _, c := range f.channels {
		if c.problem != "" {
			f.manual("the credential comes from the callers: "+c.problem, steps)
			return
		}
	}
	if _, composed := a.composedOf(f); composed || f.Kind != inventory.KindAzureLoginCreds {
		f.own = f.convert
	}
	f.assisted(fmt.Sprintf("the credential comes as %s from %s of the same repository, which change too", c.name, count(len(a.callers[c.target.path]), "caller")), convertChannels)
}

// classifyUncalled treats a called file none of whose callers was read. In a repository that was read as a whole the callers are
// in other repositories; in a folder of files nothing is known of them. A workflow can change by itself where its credential is a
// secret: the callers may go on passing it. An action cannot, since its inputs change.
func (a *analysis) classifyUncalled(f *finding) {
	const steps = "Grant id-token: write to every calling job first, then give this file client-id, tenant-id and subscription-id instead of the credential, and keep the old input or secret for one release."
	whole := IsWorkflowPath(f.File) || strings.Contains(f.File, "/") && IsActionPath(f.File)
	if whole && (f.file.action || len(f.file.triggers) == 1) {
		f.manual("the credential comes from callers in other repositories, which must grant id-token: write before this file can change", steps)
		return
	}
	convert := f.convert
	for _, c := range f.channels {
		if !c.secret {
			convert = nil
		}
	}
	f.assisted("workflows that call this one are not among the files that were read; they must grant id-token: write first", convert)
	if convert == nil {
		f.Reason = "the credential comes from callers that are not among these files; they change too"
		f.Manual = []string{steps}
		f.convert = func(*rewriter, *finding) error { return fmt.Errorf("no caller of %s is among these files", f.File) }
	}
}

// classifyCalledJSON treats a login that takes a credentials JSON apart in a called file. Which identity its ids are of depends on
// the callers.
func (a *analysis) classifyCalledJSON(f *finding) {
	if len(a.callers[f.File]) == 0 {
		a.classifyUncalled(f)
		return
	}
	f.manual("the credentials JSON comes from the callers and is taken apart here",
		"Give this file the client, tenant and subscription ids as inputs instead of the credential, pass them from every caller, and grant id-token: write to the calling jobs first.",
		"Let what used the client secret use OIDC (ARM_USE_OIDC for Terraform) or the session of azure/login.")
}

// classifyPasser treats an input or secret that hands a credential to a file.
func (a *analysis) classifyPasser(f *finding) {
	if len(f.into) == 0 {
		a.classifyUnknownTarget(f)
		return
	}
	for _, c := range f.into {
		if c.problem != "" {
			f.manual(fmt.Sprintf("%s takes the credential as %s: %s", c.target.path, c.name, c.problem),
				"Change the called file so that it signs in with OIDC, then remove the credential here and grant the calling job id-token: write.")
			return
		}
	}
	f.assisted(fmt.Sprintf("%s takes the credential and changes with this file", f.into[0].target.path), convertChannels)
}

func (a *analysis) classifyUnknownTarget(f *finding) {
	uses := ""
	if f.step != nil {
		uses = text(f.step.uses.value)
	} else if f.job != nil {
		uses = text(f.job.uses.value)
	}
	if strings.HasPrefix(uses, "./") && a.folder() {
		f.assisted(uses+" takes the credential and changes with this file; it is not among these files", func(*rewriter, *finding) error {
			return fmt.Errorf("%s is not among these files", uses)
		})
		f.Manual = []string{"Run the rewrite on the whole repository, so that the called file is read too."}
		return
	}
	if _, known := a.remoteRoles(uses); known {
		f.manual(uses+" takes the credential; it is in another repository of this scan, which has to change first",
			"Grant id-token: write to this job (and what the called file needs besides, such as contents: read), merge that, and only then convert the called file in its own repository.",
			"Remove the credential here when the called file no longer takes it.")
		return
	}
	if a.passedTo(f) != nil {
		f.manual("what "+uses+" does with the credential is not known",
			"Let what uses it there use OIDC or the session of azure/login, then remove the credential here and grant the calling job id-token: write.")
		return
	}
	f.manual(uses+" takes the credential and was not read",
		"See whether a version of it signs in with OIDC (inputs client-id, tenant-id, subscription-id), use that, and grant the job id-token: write.",
		"Otherwise sign in with azure/login before it, where it uses the session of the Azure CLI.")
}

// folder tells whether the tree is a folder of files rather than a repository: none of its files is where GitHub looks for workflows.
func (a *analysis) folder() bool {
	if a.isFolder != 0 {
		return a.isFolder > 0
	}
	a.isFolder = 1
	for _, f := range a.tree.Files {
		if IsWorkflowPath(f.Path) {
			a.isFolder = -1
			return false
		}
	}
	return true
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
