package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// steps orders the changes of a unit: trust before use, ids before the logins that name them, and only when all is
// moved the old credential, then the secrets that held it.
func (p *planner) steps(d *draft, u Unit) []Step {
	steps := []Step{}
	target := targetSteps(d)
	for _, t := range d.trust.byHand {
		steps = append(steps, federatedStep(d, t.credential))
	}
	var trustIDs []string
	for _, f := range d.trust.github {
		s := federatedStep(d, f)
		steps, trustIDs = append(steps, s), append(trustIDs, s.ID)
	}
	steps = append(steps, p.replacementSteps(d)...)
	var variables, requests []Step
	for _, v := range d.variables {
		variables = append(variables, variableStep(v, p.cfg.IDs == IDsSecrets))
	}
	texts := p.texted(d)
	var early []Step // pull requests that the conversions wait for
	for _, repo := range p.changedRepositories(d, texts) {
		s, ok := p.pullRequestStep(d, repo, variables, trustIDs, texts)
		switch {
		case ok && texts.first(repo):
			early = append(early, s)
		case ok:
			requests = append(requests, s)
		}
	}
	if len(early) > 0 {
		steps, variables = append(steps, variables...), nil
		steps = append(steps, early...)
	}
	for _, c := range d.conns {
		if c.hold == nil && !c.already() && !c.recreated {
			steps = append(steps, p.connectionSteps(d, c, texts.before(c.ID))...)
		}
	}
	steps = append(append(steps, variables...), requests...)
	if len(target) > 0 {
		dependOnTarget(steps, target)
		steps = append(target, steps...)
	}
	if len(u.Withheld) == 0 {
		steps = append(steps, p.revokeSteps(d, u, stepIDs(steps))...)
	}
	return steps
}

// changedRepositories are those that a unit changes files of, sorted.
func (p *planner) changedRepositories(d *draft, texts textPlan) []inventory.RepositoryName {
	out := repositoriesOf(d)
	for repo := range texts {
		out = append(out, repo)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stepIDs are the ids of the steps that must be done before a revoke.
func stepIDs(steps []Step) []string {
	var out []string
	for _, s := range steps {
		if !s.OnDemand {
			out = append(out, s.ID)
		}
	}
	return out
}

func federatedStep(d *draft, f inventory.FederatedCredential) Step {
	what := f.Subject
	if f.Expression != "" {
		what = f.Expression
	}
	params := &FederatedCredentialStep{Application: d.unit.ObjectID, Credential: f}
	on := d.unit.Title
	if d.target != nil {
		params.Application, params.Identity, on = "", d.target.Resource, "managed identity "+d.target.Name
	}
	return Step{ID: string(StepFederatedCredential) + "/" + f.Name, Kind: StepFederatedCredential, Class: OnceOnly, Phase: PhaseApply,
		Title:               fmt.Sprintf("trust %s on %s", what, on),
		Precondition:        trustFacts(d),
		Undo:                "remove the federated credential " + f.Name + ", once nothing signs in with it",
		FederatedCredential: params,
	}
}

// trustFacts are what a unit's proof of coverage counts on: the application itself, and the federated credentials that exist
// already and trust one of the needed subjects. What other people add to the application meanwhile does no harm.
func trustFacts(d *draft) map[string]string {
	facts := map[string]string{"appId": string(d.unit.AppID), "objectId": string(d.unit.ObjectID)}
	if d.target != nil {
		facts = map[string]string{}
		if !d.target.Create {
			facts["clientId"], facts["principalId"] = string(d.target.ClientID), string(d.target.PrincipalID)
		}
	}
	proof := subject.Cover(subjects(d.trust.needed), d.trusting())
	for _, t := range proof.Trusted {
		facts[TrustField(t.Credential)] = TrustFact(t.Credential)
	}
	return facts
}

// TrustField names a federated credential in a precondition.
func TrustField(f inventory.FederatedCredential) string { return "federated credential " + f.Name }

// TrustFact is what must stay the same of it.
func TrustFact(f inventory.FederatedCredential) string {
	return strings.TrimSpace(f.Issuer + " " + f.Subject + f.Expression)
}

// connectionSteps convert one connection. The trust in Azure DevOps' older issuer is prepared for a manual connection,
// since nothing public says which issuer a conversion gives: it is added only if the service asks for it.
func (p *planner) connectionSteps(d *draft, c *connection, before []string) []Step {
	s := connectionSubject(d, c)
	params := &ConnectionStep{Organization: c.Organization, Project: c.Projects[0].ID, ID: c.ID, Name: c.Name, Certificate: c.isCertificate(), Manual: c.manual(), Issuer: s.Issuer, Subject: s.Value}
	step := Step{ID: string(StepConnection) + "/" + string(c.ID), Kind: StepConnection, Class: OnceOnly, Phase: PhaseApply,
		Title:        fmt.Sprintf("convert service connection %s (%s)", c.Name, c.place()),
		Precondition: p.connectionPrecondition(c),
		Undo:         "convert it back while Azure DevOps allows that (seven days), then by a new password",
		DependsOn:    before,
		Connection:   params}
	if !c.manual() {
		return []Step{step}
	}
	var out []Step
	for _, t := range d.trust.byHand {
		if t.conn == c {
			step.DependsOn = append(step.DependsOn, string(StepFederatedCredential)+"/"+t.credential.Name)
		}
	}
	old := subject.OldConnectionSubject(c.Organization, c.organizationID, c.Projects[0].Name, c.Name)
	if old.Issuer != s.Issuer && !subject.Cover([]subject.Subject{old}, d.trusting()).Complete() {
		fallback := federatedStep(d, inventory.FederatedCredential{Name: strings.ToLower(string(c.ID)) + fallbackMark, Issuer: old.Issuer, Subject: old.Value,
			Audience: old.Audience, Description: fmt.Sprintf("added by unsecret for service connection %s in %s", c.Name, c.place())})
		fallback.OnDemand = true
		params.OldIssuer, params.OldSubject, params.Fallback = old.Issuer, old.Value, fallback.ID
		out = append(out, fallback)
	}
	return append(out, step)
}

// ConnectionFacts are the fields of a connection that must not have changed between the scan and its conversion.
func ConnectionFacts(c inventory.Connection) map[string]string {
	ids := make([]string, 0, len(c.Projects))
	for _, p := range c.Projects {
		ids = append(ids, string(p.ID))
	}
	slices.Sort(ids)
	manager := ""
	if c.Terraform {
		manager = "Terraform"
	}
	return map[string]string{"scheme": c.Scheme, "appId": string(lower(c.AppID)), "tenantId": strings.ToLower(string(c.TenantID)), "projects": strings.Join(ids, " "), factManager: manager}
}

// factManager names, among the facts of a connection, what manages it, as its description says.
const factManager = "manager"

// connectionPrecondition are the facts of a connection that must hold when it is changed. Whoever has read that Terraform manages it needs not be told again; a connection that came
// into Terraform's hands after that is not changed: its next apply would make another one, and nobody has read that.
func (p *planner) connectionPrecondition(c *connection) map[string]string {
	facts := ConnectionFacts(*c.Connection)
	if c.Terraform || len(p.inv.TerraformOfConnection(*c.Connection)) > 0 {
		delete(facts, factManager)
	}
	return facts
}

func variableStep(v *placed, secret bool) Step {
	kind := "variable"
	if secret {
		kind = "secret"
	}
	params := &VariableStep{Store: v.store, Value: v.value, AsSecret: secret}
	what := v.value
	if resource, late := strings.CutPrefix(v.value, clientIDMark); late {
		params.Value, params.Identity, what = "", resource, "the client id of managed identity "+path.Base(resource)
	}
	return Step{ID: string(StepVariable) + "/" + storeID(v.store), Kind: StepVariable, Class: Repeatable, Phase: PhaseApply,
		Title:        fmt.Sprintf("set %s %s to %s in %s", kind, v.store.Name, what, v.store.Place()),
		Precondition: map[string]string{"value": ""},
		Undo:         "delete it, once no login names it",
		Variable:     params}
}

// storeID is a store as a part of a step's id.
func storeID(r inventory.StoreRef) string {
	parts := []string{string(r.Level)}
	for _, s := range []string{r.Owner, string(r.Repository), r.Environment, r.Name} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "/")
}

// pullRequestStep rewrites a unit's logins and pipelines in one repository.
func (p *planner) pullRequestStep(d *draft, name inventory.RepositoryName, before []Step, trustIDs []string, texts textPlan) (Step, bool) {
	params := p.requestIn(name, texts[name])
	if params == nil {
		return Step{}, false
	}
	waits := []string{}
	if p.addLogins(params, d) {
		waits = append(slices.Clone(trustIDs), variableIDs(before)...)
	}
	p.addTo(params, d, texts[name], texts.first(name))
	if len(params.Logins) == 0 {
		return Step{}, false
	}
	for _, v := range d.relied {
		if v.store.Repository == name || v.store.Level == inventory.LevelOrganization {
			params.Reads = append(params.Reads, VariableStep{Store: v.store, Value: v.value})
		}
	}
	facts := map[string]string{}
	for _, f := range params.Files {
		facts[f.Path] = f.OID
	}
	return Step{ID: PullRequestID(params.Repository), Kind: StepPullRequest, Class: OnceOnly, Phase: PhaseApply,
		Title:        fmt.Sprintf("open a pull request in %s that rewrites %s", params.Repository, rewrittenCounts(params.Logins)),
		Precondition: facts,
		DependsOn:    append(waits, texts.after(name)...),
		Undo:         "close it; when it is merged, revert it by another pull request",
		PullRequest:  params}, true
}

// rewrittenCounts says what a pull request rewrites: "2 logins", or "1 step and 2 names" of connections.
func rewrittenCounts(all []PlannedLogin) string {
	var logins, steps, names int
	for _, l := range all {
		switch {
		case l.Pipeline == nil:
			logins++
		case l.Pipeline.Rename == nil:
			steps++
		default:
			names++
		}
	}
	var out []string
	for _, c := range []struct {
		n    int
		what string
	}{{logins, "login"}, {steps, "step"}, {names, "name"}} {
		if c.n > 0 {
			out = append(out, count(c.n, c.what))
		}
	}
	return strings.Join(out, " and ")
}

// requestIn begins a pull request in a repository of GitHub or of Azure Repos.
func (p *planner) requestIn(name inventory.RepositoryName, edits []*pipelineEdit) *PullRequestStep {
	if _, _, _, azure := name.AzureRepos(); azure && len(edits) > 0 {
		return &PullRequestStep{Repository: name, Base: edits[0].repo.DefaultBranch, NodeID: edits[0].repo.ID, Files: []inventory.File{}, Context: []inventory.File{}}
	}
	repo := p.stores.repo(name)
	if repo == nil {
		return nil
	}
	return &PullRequestStep{Repository: repo.Name, Base: repo.DefaultBranch, Permissions: p.cfg.Permissions, Default: repo.DefaultPermissions,
		RepositoryID: repo.ID, OIDC: repo.OIDC, Files: []inventory.File{}, Context: []inventory.File{}}
}

// addLogins puts a unit's logins in workflows into a pull request, and tells whether there are any.
func (p *planner) addLogins(s *PullRequestStep, d *draft) bool {
	repo := p.stores.repo(s.Repository)
	edited := map[string]bool{}
	for _, m := range d.members {
		if m.login.Repository != s.Repository || m.hold != nil {
			continue
		}
		s.Logins = append(s.Logins, PlannedLogin{ID: m.login.ID, Names: m.names, Shares: p.shares(m, d.unit.AppID)})
		edited[m.login.File] = true
	}
	if len(s.Logins) == 0 {
		return false
	}
	for _, f := range repo.Files {
		if edited[f.Path] {
			s.Files = append(s.Files, f)
		} else {
			s.Context = append(s.Context, f)
		}
	}
	return true
}

// PullRequestID is the id of the step that rewrites a repository's logins.
func PullRequestID(repo inventory.RepositoryName) string {
	return string(StepPullRequest) + "/" + string(repo)
}

func variableIDs(steps []Step) []string {
	var out []string
	for _, s := range steps {
		if s.Kind == StepVariable {
			out = append(out, s.ID)
		}
	}
	return out
}

// shares are the other units that a login signs in as.
func (p *planner) shares(m *member, app inventory.AppID) []string {
	var out []string
	for _, a := range p.groupApps(m) {
		if a != app {
			out = append(out, p.drafts[a].unit.ID)
		}
	}
	slices.Sort(out)
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
