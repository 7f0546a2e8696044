package workflow

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// scopeGrant is one scope of GITHUB_TOKEN with its access.
type scopeGrant struct{ scope, access string }

const idToken = "id-token"

// permissiveScopes are what a token has where a repository's default is "write" (GitHub's table of default permissions
// for GITHUB_TOKEN, "permissive"); restrictedScopes where it is "read".
var (
	permissiveScopes = []scopeGrant{
		{"actions", "write"}, {"attestations", "write"}, {"checks", "write"}, {"contents", "write"}, {"deployments", "write"},
		{"discussions", "write"}, {"issues", "write"}, {"models", "read"}, {"packages", "write"}, {"pages", "write"},
		{"pull-requests", "write"}, {"security-events", "write"}, {"statuses", "write"},
	}
	restrictedScopes = []scopeGrant{{"contents", "read"}, {"packages", "read"}}
	// readAllScopes are what `permissions: read-all` stands for.
	readAllScopes = []scopeGrant{
		{"actions", "read"}, {"attestations", "read"}, {"checks", "read"}, {"contents", "read"}, {"deployments", "read"},
		{"discussions", "read"}, {"issues", "read"}, {"models", "read"}, {"packages", "read"}, {"pages", "read"},
		{"pull-requests", "read"}, {"security-events", "read"}, {"statuses", "read"},
	}
)

// grantAll gives every job that must request a token the permission for it.
func (r *rewriter) grantAll() {
	for _, f := range r.done {
		if err := r.grantFor(f); err != nil {
			r.refuse(f.file, err.Error())
		}
	}
}

// grantFor gives the jobs of one login the permission.
func (r *rewriter) grantFor(f *finding) error {
	for _, j := range r.tokenJobs(f) {
		if err := r.grantCalled(j, f.ID); err != nil {
			return fmt.Errorf("the permissions of job %s cannot be extended: %w", j.id, err)
		}
	}
	return nil
}

// grantCalled is grant, but leaves a reusable workflow alone that has no permissions of its own: it has its caller's, and a
// block that asks for more than a caller grants makes the caller invalid ("The nested job … is requesting 'id-token: write'").
func (r *rewriter) grantCalled(j *job, login inventory.LoginID) error {
	bare := j.perms.key == nil && j.file.perms.key == nil
	if bare && j.file.has("workflow_call") && len(j.file.triggers) == 1 {
		return nil
	}
	return r.grant(j, login)
}

func (r *rewriter) refuse(f *file, why string) {
	if p := r.plan(f); p.refused == "" {
		p.refused = why
	}
}

// grant lets a job request an OIDC token, and takes nothing away from it. "If you specify the access for any of these permissions, all
// of those that are not specified are set to none" (github/docs, github-token-scope-descriptions), so a job that gets its first
// block also gets the scopes that it had without one.
func (r *rewriter) grant(j *job, login inventory.LoginID) error {
	before := len(r.plan(j.file).edits)
	if err := r.grantScope(j, login); err != nil || len(r.plan(j.file).edits) == before {
		return err
	}
	return r.options.mayChange(j.file.path)
}

func (r *rewriter) grantScope(j *job, login inventory.LoginID) error {
	if j.perms.key != nil {
		return r.extend(j, login)
	}
	var scopes []scopeGrant
	if p := j.file.perms; p.key != nil {
		have, all, err := grants(p.value)
		if err != nil {
			return err
		}
		if all || accessOf(have, idToken) == "write" {
			return nil
		}
		scopes = append([]scopeGrant{{idToken, "write"}}, without(have, idToken)...)
	} else {
		scopes = append([]scopeGrant{{idToken, "write"}}, r.defaults(j)...)
	}
	return r.insertBlock(j, scopes, login)
}

// defaults are the scopes to write out for a job that has no permissions at all.
func (r *rewriter) defaults(j *job) []scopeGrant {
	if r.tree.DefaultPermissions == "read" {
		return restrictedScopes
	}
	if r.options.Permissions == PermissionsMinimal && r.checkoutOnly(j) {
		return []scopeGrant{{"contents", "read"}}
	}
	return permissiveScopes
}

// grants reads a permissions value; all is write-all.
func grants(n *yaml.Node) (list []scopeGrant, all bool, err error) {
	switch {
	case n != nil && n.Kind == yaml.MappingNode:
		for e := range each(n) {
			list = append(list, scopeGrant{e.key.Value, text(e.value)})
		}
		return list, false, nil
	case text(n) == "write-all":
		return nil, true, nil
	case text(n) == "read-all":
		return readAllScopes, false, nil
	}
	return nil, false, fmt.Errorf("permissions: %q is not a form that GitHub documents", text(n))
}

func accessOf(list []scopeGrant, scope string) string {
	for i := len(list) - 1; i >= 0; i-- {
		if strings.EqualFold(list[i].scope, scope) {
			return list[i].access
		}
	}
	return ""
}

func without(list []scopeGrant, scope string) []scopeGrant {
	var rest []scopeGrant
	for _, g := range list {
		if !strings.EqualFold(g.scope, scope) {
			rest = append(rest, g)
		}
	}
	return rest
}

// extend adds the scope to a job's own block.
func (r *rewriter) extend(j *job, login inventory.LoginID) error {
	const reason = "let the job request an OIDC token"
	have, all, err := grants(j.perms.value)
	if err != nil {
		return err
	}
	f, n := j.file, j.perms.raw
	switch {
	case all || accessOf(have, idToken) == "write":
		return nil
	case n.Kind == yaml.AliasNode, n.Kind == yaml.ScalarNode:
		return r.expandBlock(j, append([]scopeGrant{{idToken, "write"}}, without(have, idToken)...), login)
	case n.Anchor() != "":
		return fmt.Errorf("the block has the anchor &%s, which other jobs use", n.Anchor())
	}
	if e, ok := lookup(n, idToken); ok {
		r.edit(f, login, f.start(e.raw), f.end(e.raw), "write", reason)
		return nil
	}
	if !isFlow(n) {
		start := f.start(n.Content[0])
		margin := f.margin(start)
		at := f.aboveComments(start, f.start(j.perms.key), margin)
		r.edit(f, login, at, at, idToken+": write"+f.newline(start)+margin, reason)
		return nil
	}
	start := f.content(n) + 1
	text := idToken + ": write"
	if len(n.Content) > 0 {
		if next := f.src[start]; isBlank(next) {
			text = " " + text
		}
		text += ","
		if next := f.src[start]; !isBlank(next) {
			text += " "
		}
	}
	r.edit(f, login, start, start, text, reason)
	return nil
}

// expandBlock writes a scalar (read-all) or an alias out as a block.
func (r *rewriter) expandBlock(j *job, scopes []scopeGrant, login inventory.LoginID) error {
	f := j.file
	if isFlow(j.node) {
		return errors.New("the job is in flow style")
	}
	start, end := f.entryRange(j.perms)
	margin := f.margin(start)
	nl := f.newline(start)
	r.edit(f, login, start, end, block(scopes, margin, f.unit(j), nl), "let the job request an OIDC token; the other scopes stay as they were")
	return nil
}

// block writes permissions as text, its first line without margin.
func block(scopes []scopeGrant, margin, unit, nl string) string {
	var b strings.Builder
	b.WriteString("permissions:")
	for _, s := range scopes {
		b.WriteString(nl + margin + unit + s.scope + ": " + s.access)
	}
	return b.String()
}

// unit is the indentation of a job's keys under its id.
func (f *file) unit(j *job) string {
	if len(j.node.Content) == 0 {
		return "  "
	}
	width := int(j.node.Content[0].Column - j.key.Column)
	if width < 1 || width > 8 {
		width = 2
	}
	return strings.Repeat(" ", width)
}

// insertBlock gives a job its first permissions, under runs-on or uses.
func (r *rewriter) insertBlock(j *job, scopes []scopeGrant, login inventory.LoginID) error {
	const reason = "let the job request an OIDC token; the other scopes are what the job had"
	f := j.file
	if j.node.Kind != yaml.MappingNode || len(j.node.Content) == 0 {
		return errors.New("the job is not a mapping")
	}
	if isFlow(j.node) {
		start := f.content(j.node) + 1
		lead, trail := "", " "
		if start < len(f.src) && isBlank(f.src[start]) {
			lead, trail = " ", ""
		}
		r.edit(f, login, start, start, lead+"permissions: {"+flow(scopes)+"},"+trail, reason)
		return nil
	}
	after := j.uses
	if e, ok := lookup(j.node, "runs-on"); ok {
		after = e
	}
	if after.key != nil && indexOf(j.node, after.key) >= 0 {
		_, end := f.entryRange(after)
		if f.onlyComment(end) {
			margin := f.margin(f.start(after.key))
			stop := f.lineEnd(end)
			nl := f.newline(stop)
			r.edit(f, login, stop, stop, nl+margin+block(scopes, margin, f.unit(j), nl), reason)
			return nil
		}
	}
	start := f.start(j.node.Content[0])
	margin := f.margin(start)
	nl := f.newline(start)
	r.edit(f, login, start, start, block(scopes, margin, f.unit(j), nl)+nl+margin, reason)
	return nil
}

func flow(scopes []scopeGrant) string {
	var parts []string
	for _, s := range scopes {
		parts = append(parts, s.scope+": "+s.access)
	}
	return strings.Join(parts, ", ")
}
