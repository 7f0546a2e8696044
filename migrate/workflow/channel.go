package workflow

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// channel is an input of a local action, or an input or secret of a reusable workflow, through which a credential comes: the
// findings inside that use it, and those in the callers that fill it. It is converted as a whole or not at all.
type channel struct {
	target    *file
	name      string
	secret    bool // comes through secrets: of workflow_call
	consumers []*finding
	passers   []*finding
	problem   string // why it cannot be converted
	sameName  string // the one secret that all callers pass, where it is one
	done      bool
	err       error
}

func channelKey(target *file, name string) string {
	return target.path + "\x00" + strings.ToLower(name)
}

// joinChannels groups the findings that belong together.
func (a *analysis) joinChannels() {
	a.channels = make(map[string]*channel)
	for _, n := range a.findings {
		if n.Conversion == inventory.ConversionNone {
			continue
		}
		for _, r := range a.reads(n) {
			passed := r.context == "inputs" || r.context == "secrets" && n.file.has("workflow_call") && !r.whole && r.index == nil
			if !passed || !n.file.action && !n.file.has("workflow_call") || isID(r) && n.Kind == inventory.KindAzureLoginCreds {
				continue
			}
			c := a.channelOf(n.file, r.name())
			c.secret = c.secret || r.context == "secrets"
			if !hasFinding(c.consumers, n) {
				c.consumers = append(c.consumers, n)
				n.channels = append(n.channels, c)
			}
		}
	}
	for _, n := range a.findings {
		a.joinPasser(n)
	}
	for _, key := range a.channelKeys() {
		c := a.channels[key]
		c.problem = a.channelProblem(c)
	}
}

func (a *analysis) channelKeys() []string {
	var keys []string
	for k := range a.channels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// together lists the other logins of the channels that a login belongs to, directly or through one of them.
func (f *finding) together() []inventory.LoginID {
	if f.Conversion != inventory.ConversionAssisted {
		return nil
	}
	group := []*finding{f}
	for i := 0; i < len(group); i++ {
		for _, c := range append(append([]*channel{}, group[i].channels...), group[i].into...) {
			for _, n := range append(append([]*finding{}, c.consumers...), c.passers...) {
				if !hasFinding(group, n) {
					group = append(group, n)
				}
			}
		}
	}
	var ids []inventory.LoginID
	for _, n := range group[1:] {
		ids = append(ids, n.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func hasFinding(list []*finding, n *finding) bool {
	for _, have := range list {
		if have == n {
			return true
		}
	}
	return false
}

func (a *analysis) channelOf(target *file, name string) *channel {
	key := channelKey(target, name)
	if a.channels[key] == nil {
		a.channels[key] = &channel{target: target, name: name}
	}
	return a.channels[key]
}

// joinPasser connects a finding that hands a credential on with the channel it goes into.
func (a *analysis) joinPasser(n *finding) {
	var target *file
	switch n.Kind {
	case inventory.KindCompositeInput:
		target = a.actionOf(n.step.action)
	case inventory.KindReusablePass:
		target = a.workflowOf(text(n.job.uses.value))
	default:
		return
	}
	if target == nil {
		return
	}
	if n.entry.key == n.job.secretsKey() { // secrets: inherit fills every secret of the target
		for _, key := range a.channelKeys() {
			if c := a.channels[key]; c.target == target && c.secret {
				c.passers = append(c.passers, n)
				n.into = append(n.into, c)
			}
		}
		return
	}
	if c := a.channels[channelKey(target, n.entry.key.Value)]; c != nil {
		c.passers = append(c.passers, n)
		n.into = append(n.into, c)
	}
}

func (j *job) secretsKey() *yaml.Node {
	if j == nil || !strings.EqualFold(text(j.secrets.value), "inherit") {
		return nil
	}
	return j.secrets.key
}

// channelProblem tells why a channel cannot be converted; "" where it can.
func (a *analysis) channelProblem(c *channel) string {
	if len(a.callers[c.target.path]) == 0 {
		return "" // decided by the layout, in classifyPassed
	}
	if c.secret && c.target.action {
		return "an action cannot read secrets"
	}
	for _, n := range c.consumers {
		if p := a.consumerProblem(c, n); p != "" {
			return p
		}
	}
	if line := a.unexplained(c); line > 0 {
		return fmt.Sprintf("line %d of %s reads %s for something else", line, c.target.path, c.name)
	}
	names := make(map[string]bool)
	for _, p := range c.passers {
		name, problem := passed(p, c)
		if problem != "" {
			return problem
		}
		names[strings.ToUpper(name)] = true
	}
	if len(names) == 1 {
		for n := range names {
			c.sameName = n
		}
	}
	if c.differs() && len(c.target.triggers) > 1 {
		return fmt.Sprintf("callers pass different credentials as %s, and %s is also started in other ways, which have no inputs", c.name, c.target.path)
	}
	if _, declared := c.declaration(); c.differs() && !declared {
		return fmt.Sprintf("callers pass different credentials as %s, which the called workflow does not declare", c.name)
	}
	return ""
}

// needsIDs tells whether what uses the credential has to be given the ids of the identity instead.
func (c *channel) needsIDs() bool {
	for _, n := range c.consumers {
		if n.Kind == inventory.KindAzureLoginCreds {
			return true
		}
	}
	return false
}

// differs tells whether a reusable workflow has to be given ids as inputs, since its callers pass different credentials.
func (c *channel) differs() bool {
	return c.secret && c.sameName == "" && len(c.passers) > 0 && c.needsIDs()
}

func (a *analysis) consumerProblem(c *channel, n *finding) string {
	switch n.Kind {
	case inventory.KindAzureLoginCreds:
		if reason, _ := a.credsObstacle(n); reason != "" {
			return reason
		}
		r, ok := single(text(n.entry.value))
		if !ok || r.property != "" || r.index != nil || r.context != "inputs" && r.context != "secrets" {
			return fmt.Sprintf("line %d of %s computes the credential from %s", n.Line, n.File, c.name)
		}
		return ""
	case inventory.KindTerraformEnv:
		if n.convert != nil {
			return ""
		}
		if n.variable != "" || n.option != "" || !strings.EqualFold(n.entry.key.Value, "ARM_CLIENT_SECRET") {
			return fmt.Sprintf("line %d of %s uses %s in a script", n.Line, n.File, c.name)
		}
		if line, what := a.otherReaders(n, "ARM_CLIENT_SECRET"); line > 0 {
			return fmt.Sprintf("line %d of %s reads ARM_CLIENT_SECRET itself (%s)", line, n.File, what)
		}
		return ""
	case inventory.KindAzureLoginMixed:
		if n.convert != nil {
			return ""
		}
	case inventory.KindAzLoginSP, inventory.KindAzdLogin, inventory.KindDockerACRSP:
		if n.convert != nil && n.Identity.ClientID != "" {
			return ""
		}
	}
	return fmt.Sprintf("line %d of %s uses it in a way that has no automatic form (%s)", n.Line, n.File, n.Kind)
}

// unexplained finds a read of the channel's name in its file that is not one of the consumers'.
func (a *analysis) unexplained(c *channel) int {
	src := c.target.lowered()
	name := strings.ToLower(c.name)
	contexts := []string{"inputs", "secrets"}
	for at := 0; ; {
		i := strings.Index(src[at:], name)
		if i < 0 {
			return 0
		}
		start, end := at+i, at+i+len(name)
		at = end
		if start > 0 && isName(src[start-1]) || end < len(src) && isName(src[end]) || c.target.commented(start) {
			continue
		}
		before := strings.TrimRight(src[:start], " \t[.'\"")
		if !hasSuffix(before, contexts...) {
			continue
		}
		covered := false
		for _, n := range c.consumers {
			covered = covered || n.start <= start && start < n.end
		}
		if !covered {
			line, _ := c.target.place(start)
			return line
		}
	}
}

// passed gives the secret that a caller passes, or why it is not certain.
func passed(p *finding, c *channel) (name, problem string) {
	if p.entry.key == p.job.secretsKey() {
		return c.name, ""
	}
	r, ok := single(text(p.entry.value))
	if ok && r.context == "secrets" && r.index == nil && r.property == "" && !r.whole {
		if _, declared := lookup(get(p.file.call, "secrets"), r.name()); declared {
			return "", fmt.Sprintf("line %d of %s passes on what its own callers pass as %s", p.Line, p.File, r.name())
		}
		return r.name(), ""
	}
	return "", fmt.Sprintf("line %d of %s passes a computed value as %s", p.Line, p.File, c.name)
}

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
	if f.Kind != inventory.KindAzureLoginCreds {
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
			"Grant id-token: write to this job, merge that, and then convert the called file in its own repository.",
			"Remove the credential here when the called file no longer takes it.")
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
