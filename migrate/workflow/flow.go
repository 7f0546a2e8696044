package workflow

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// scope is where a value stands: what its expressions can read.
type scope struct {
	a    *analysis
	file *file
	job  *job
	step *step
}

const maxFlow = 6 // how many times a value is followed onward, so that a cycle ends

// caller is one place that calls a local action (a step) or a reusable workflow (a job).
type caller struct {
	step *step
	job  *job
}

func (c caller) owner() *job {
	if c.step != nil {
		return c.step.job
	}
	return c.job
}

// link finds who calls the local actions and reusable workflows of the tree.
func (a *analysis) link() {
	a.callers = make(map[string][]caller)
	for _, f := range a.files {
		if f == nil {
			continue
		}
		for _, j := range f.jobs {
			if target := a.workflowOf(text(j.uses.value)); target != nil {
				a.callers[target.path] = append(a.callers[target.path], caller{job: j})
				f.callsLocal = true
			}
			a.linkSteps(j.steps)
		}
		a.linkSteps(f.steps)
	}
}

func (a *analysis) linkSteps(steps []*step) {
	for _, s := range steps {
		if target := a.actionOf(s.action); target != nil {
			a.callers[target.path] = append(a.callers[target.path], caller{step: s})
			s.file.callsLocal = true
		}
	}
}

// workflowOf gives the reusable workflow of this tree that a uses names, or nil.
func (a *analysis) workflowOf(uses string) *file {
	uses = strings.TrimSpace(uses)
	if own := string(a.tree.Repository); own != "" && len(uses) > len(own) && strings.EqualFold(uses[:len(own)], own) && uses[len(own)] == '/' {
		path, _, _ := strings.Cut(uses[len(own)+1:], "@")
		return a.byPath[path]
	}
	if !strings.HasPrefix(uses, "./") {
		return nil
	}
	return a.byPath[strings.TrimPrefix(uses, "./")]
}

// actionOf gives the action of this tree that a step uses, or nil.
func (a *analysis) actionOf(action string) *file {
	if !strings.HasPrefix(action, "./") {
		return nil
	}
	dir := strings.Trim(strings.TrimPrefix(action, "./"), "/")
	for _, name := range []string{"action.yml", "action.yaml"} {
		path := name
		if dir != "" && dir != "." {
			path = dir + "/" + name
		}
		if f := a.byPath[path]; f != nil {
			return f
		}
	}
	return nil
}

// secrets lists the secrets that a value reads, directly or through env, inputs and outputs.
func (s scope) secrets(value, role string) []inventory.SecretUse {
	return s.follow(nil, value, role, 0)
}

func (s scope) follow(list []inventory.SecretUse, value, role string, depth int) []inventory.SecretUse {
	if depth > maxFlow || !mayCarry(value) {
		return list
	}
	var few [2]ref // few values have more
	return s.readAll(list, appendRefs(few[:0], value), role, depth)
}

func (s scope) readAll(list []inventory.SecretUse, refs []ref, role string, depth int) []inventory.SecretUse {
	for _, r := range refs {
		list = s.read(list, r, role, depth)
	}
	return list
}

// mayCarry tells whether a value may read one of the contexts through which a secret can come. Where it does not, as most that
// are computed do not, its expressions need not be parsed.
func mayCarry(value string) bool {
	return strings.Contains(value, "${{") && in(carryingContexts, value)
}

var carryingContexts = newSearchAnyCase("secrets", "env", "inputs", "steps", "needs")

func (s scope) read(list []inventory.SecretUse, r ref, role string, depth int) []inventory.SecretUse {
	if part := roleOfProperty(r.property); part != "" {
		role = partOf(part)
	}
	switch r.context {
	case "secrets":
		return s.readSecret(list, r, role)
	case "env":
		if v, in, ok := s.env(r.name()); ok {
			return in.follow(list, v, role, depth+1)
		}
		return s.readWritten(list, r.name(), role, depth)
	case "inputs":
		return s.readInput(list, r, role, depth)
	case "github": // github.event.inputs.X is the older spelling of inputs.X and never a secret
	case "steps":
		return s.readStepOutput(list, r, role, depth)
	case "needs":
		return s.readJobOutput(list, r, role, depth)
	}
	return list
}

func (s scope) readSecret(list []inventory.SecretUse, r ref, role string) []inventory.SecretUse {
	if r.whole || strings.EqualFold(r.name(), "GITHUB_TOKEN") {
		return list
	}
	use := inventory.SecretUse{Name: r.name(), Expression: r.text, Role: role}
	if role == roleSecretPart {
		use.Role, use.Part = roleClientSecret, true
	}
	if r.index == nil {
		return s.addPassed(list, use)
	}
	for _, name := range s.names(r.index) {
		use.Name = name
		list = s.addPassed(list, use)
	}
	return list
}

// addPassed adds the secret that is read; in a called workflow it is what the callers that were read pass under this name.
func (s scope) addPassed(list []inventory.SecretUse, use inventory.SecretUse) []inventory.SecretUse {
	if !s.file.has("workflow_call") || len(s.a.callers[s.file.path]) == 0 {
		return addUse(list, use)
	}
	passed := passedSecrets{a: s.a, seen: make(map[string]bool)}
	passed.collect(s.file, use.Name, use.Expression)
	for _, p := range passed.list {
		use.Name, use.Expression = p.Name, p.Expression
		list = addUse(list, use)
	}
	return list
}

// passedSecrets collects what comes in the end under the name of a secret, through all calls, each name of a file once.
type passedSecrets struct {
	a    *analysis
	seen map[string]bool
	list []inventory.SecretUse
}

func (p *passedSecrets) collect(f *file, name, expression string) {
	if key := channelKey(f, name); p.seen[key] {
		return
	} else {
		p.seen[key] = true
	}
	found := false
	for _, c := range p.a.callers[f.path] {
		found = c.job != nil && f.has("workflow_call") && p.from(c.job, name, expression) || found
	}
	if !found || len(f.triggers) > 1 {
		p.list = addUse(p.list, inventory.SecretUse{Name: name, Expression: expression})
	}
}

// from follows a name into one calling job, and tells whether that passes secrets under the name.
func (p *passedSecrets) from(j *job, name, expression string) bool {
	if j.secretsKey() != nil {
		p.collect(j.file, name, expression)
		return true
	}
	e, ok := lookup(j.secrets.value, name)
	if !ok {
		return false
	}
	found := false
	for _, r := range refsOf(text(e.value)) {
		if r.context == "secrets" && r.index == nil && !r.whole {
			p.collect(j.file, r.name(), r.text)
			found = true
		}
	}
	return found
}

func addUse(list []inventory.SecretUse, use inventory.SecretUse) []inventory.SecretUse {
	for _, have := range list {
		if have == use {
			return list
		}
	}
	return append(list, use)
}

// env finds an environment variable in the step, its job and the workflow, in this order.
func (s scope) env(name string) (value string, in scope, ok bool) {
	if s.step != nil {
		if e, ok := lookup(s.step.env, name); ok {
			return text(e.value), scope{s.a, s.file, s.job, nil}, true
		}
	}
	if s.job != nil {
		if e, ok := lookup(s.job.env, name); ok {
			return text(e.value), scope{s.a, s.file, s.job, nil}, true
		}
	}
	if e, ok := lookup(s.file.env, name); ok {
		return text(e.value), scope{s.a, s.file, nil, nil}, true
	}
	return "", s, false
}

// readWritten follows a variable to what the steps before write to $GITHUB_ENV under its name: NAME=value, or lines between NAME<<END and END.
func (s scope) readWritten(list []inventory.SecretUse, name, role string, depth int) []inventory.SecretUse {
	if s.step == nil || depth > maxFlow {
		return list
	}
	for _, before := range s.step.before() {
		run := text(before.run.value)
		if !strings.Contains(run, "GITHUB_ENV") || !strings.Contains(run, name) {
			continue
		}
		in := scope{s.a, s.file, s.job, before}
		value := writtenAs(run, name)
		role := roleOfScript(value, role)
		list = in.follow(list, value, role, depth+1)
		for _, source := range variables(value) {
			if v, from, ok := in.env(source); ok {
				list = from.follow(list, v, role, depth+1)
			}
		}
	}
	return list
}

// before gives the steps that run before a step.
func (s *step) before() []*step {
	steps := s.file.steps
	if s.job != nil {
		steps = s.job.steps
	}
	if i := slices.Index(steps, s); i >= 0 {
		return steps[:i]
	}
	return nil
}

// writtenAs is what a script writes under a name, with what follows it on its lines.
func writtenAs(run, name string) string {
	var value strings.Builder
	delimiter := ""
	for line := range strings.Lines(run) {
		if delimiter != "" {
			if strings.Contains(line, delimiter) {
				delimiter = ""
			} else {
				value.WriteString(line)
			}
			continue
		}
		i := strings.Index(line, name)
		if i < 0 || i > 0 && isWord(line[i-1]) {
			continue
		}
		rest := line[i+len(name):]
		if v, ok := strings.CutPrefix(rest, "="); ok {
			value.WriteString(v)
		} else if end, ok := strings.CutPrefix(rest, "<<"); ok {
			delimiter = end[:len(end)-len(strings.TrimLeftFunc(end, func(c rune) bool { return c < 128 && isWord(byte(c)) }))]
		}
	}
	return value.String()
}

// readInput follows an input to every caller in the tree.
func (s scope) readInput(list []inventory.SecretUse, r ref, role string, depth int) []inventory.SecretUse {
	if depth > maxFlow {
		return list
	}
	for _, c := range s.a.callers[s.file.path] {
		var params *yaml.Node
		if c.step != nil {
			params = c.step.with
		} else {
			params = c.job.with
		}
		if e, ok := lookup(params, r.name()); ok {
			owner := c.owner()
			in := scope{s.a, s.file, owner, c.step}
			if owner != nil {
				in.file = owner.file
			} else if c.step != nil {
				in.file = c.step.file
			}
			list = in.follow(list, text(e.value), role, depth+1)
		}
	}
	return list
}

// readStepOutput takes every secret that the step which sets an output reads: what the step computes is not followed.
func (s scope) readStepOutput(list []inventory.SecretUse, r ref, role string, depth int) []inventory.SecretUse {
	steps := s.file.steps
	if s.job != nil {
		steps = s.job.steps
	}
	for _, other := range steps {
		if other.id == "" || !strings.EqualFold(other.id, r.name()) || other == s.step {
			continue
		}
		in := scope{s.a, s.file, s.job, other}
		known := len(list)
		list = in.follow(list, text(other.run.value), role, depth+1)
		for _, e := range append(entries(other.env), other.withParams...) {
			list = in.follow(list, text(e.value), role, depth+1)
		}
		for i := known; i < len(list) && takesPart().MatchString(text(other.run.value)); i++ {
			list[i].Part = list[i].Part || list[i].Role == roleClientSecret && namesCredentials(list[i].Name)
		}
	}
	return list
}

func (s scope) readJobOutput(list []inventory.SecretUse, r ref, role string, depth int) []inventory.SecretUse {
	if len(r.path) < 3 {
		return list
	}
	for _, j := range s.file.jobs {
		if j.id != r.path[0] {
			continue
		}
		if e, ok := lookup(get(j.node, "outputs"), r.path[2]); ok {
			list = scope{s.a, s.file, j, nil}.follow(list, text(e.value), role, depth+1)
		}
	}
	return list
}

// roleOfProperty tells what a property of a credentials JSON is.
func roleOfProperty(property string) string {
	switch strings.ToLower(property) {
	case "clientsecret", "client_secret", "appsecret", "password":
		return roleClientSecret
	case "clientid", "client_id", "appid":
		return roleClientID
	case "tenantid", "tenant_id", "tenant":
		return roleTenantID
	case "subscriptionid", "subscription_id":
		return roleSubscriptionID
	}
	return ""
}

// roleSecretPart is the role of a client secret on its way out of a JSON. It is told as a client secret that is a part.
const roleSecretPart = "clientSecret of JSON"

// partOf is the role of what is taken out of a JSON.
func partOf(role string) string {
	if role == roleClientSecret {
		return roleSecretPart
	}
	return role
}

// takesPart finds what scripts take a member out of a JSON with.
var takesPart = lazy.Regexp(`(?i)\bjq\b|ConvertFrom-Json|\bfromJSON\(|json\.loads?\b|JSON\.parse`)

// secretMember finds the client secret as a member of an object, as PowerShell reads it from a JSON.
var secretMember = lazy.Regexp(`(?i)\$\w+\.(client_?secret|appsecret)\b`)

// roleOfScript is the role of what a part of a script reads, where its result has a role.
func roleOfScript(value, role string) string {
	if takesPart().MatchString(value) || secretMember().MatchString(value) {
		return partOf(role)
	}
	return role
}

// The roles of a value that a login reads.
const (
	roleCredentials    = "credentials"
	roleClientSecret   = "clientSecret"
	roleClientID       = "clientId"
	roleTenantID       = "tenantId"
	roleSubscriptionID = "subscriptionId"
	roleOther          = "other"
)

// plain gives what a value says about an identity: the expression of a value that is one ${{ … }}, or a literal.
func plain(value string) string {
	value = strings.TrimSpace(value)
	if segs := segments(value); len(segs) > 0 {
		if len(segs) == 1 && segs[0].start == 0 && segs[0].end == len(value) {
			return segs[0].text
		}
		return ""
	}
	return value
}
