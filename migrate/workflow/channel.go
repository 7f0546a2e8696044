package workflow

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// channel is an input of a local action, or an input or secret of a reusable workflow, through which a credential comes: the
// findings inside that use it, and those in the callers that fill it. A file that passes on what its own callers pass joins two
// channels to a chain, which is converted as a whole or not at all.
type channel struct {
	target    *file
	name      string
	secret    bool // comes through secrets: of workflow_call
	consumers []*finding
	passers   []*finding
	problem   string   // why it cannot be converted
	roots     []string // the secrets that the callers pass in the end, upper case and sorted
	ids       bool     // inputs with the ids of the identity take its place
	edited    bool     // its conversion changes a declaration or a caller that names it
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
			c.use(n)
		}
	}
	for news := true; news; { // what one file inherits and passes on makes a channel of its own
		news = false
		for _, n := range a.findings {
			news = a.joinPasser(n) || news
		}
	}
	a.resolveChains()
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
func (a *analysis) together(f *finding) []inventory.LoginID {
	if f.Conversion != inventory.ConversionAssisted {
		return nil
	}
	var ids []inventory.LoginID
	for _, own := range slices.Concat(f.channels, f.into) {
		for _, c := range a.chain(own) {
			for _, n := range c.members() {
				if n != f {
					ids = append(ids, n.ID)
				}
			}
		}
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

// joinPasser connects a finding that hands a credential on with the channels it goes into. It tells whether a channel got to know
// something new.
func (a *analysis) joinPasser(n *finding) bool {
	target := a.passedTo(n)
	if target == nil {
		return false
	}
	if !n.inherits() {
		c := a.channels[channelKey(target, n.entry.key.Value)]
		return c != nil && c.fill(n)
	}
	news := false
	for _, key := range a.channelKeys() { // secrets: inherit fills every secret of the target
		c := a.channels[key]
		if c.target != target || !c.secret || !c.fill(n) {
			continue
		}
		news = true
		if n.file.has("workflow_call") {
			up := a.channelOf(n.file, c.name)
			up.secret = true
			up.use(n)
		}
	}
	return news
}

// passedTo gives the file that a finding hands its credential to, or nil.
func (a *analysis) passedTo(n *finding) *file {
	switch n.Kind {
	case inventory.KindCompositeInput:
		return a.actionOf(n.step.action)
	case inventory.KindReusablePass:
		return a.workflowOf(text(n.job.uses.value))
	}
	return nil
}

// fill notes a finding that fills the channel, once.
func (c *channel) fill(n *finding) bool {
	if hasFinding(c.passers, n) {
		return false
	}
	c.passers = append(c.passers, n)
	n.into = append(n.into, c)
	return true
}

// use notes a finding that takes the credential out of the channel, once.
func (c *channel) use(n *finding) {
	if !hasFinding(c.consumers, n) {
		c.consumers = append(c.consumers, n)
		n.channels = append(n.channels, c)
	}
}

// inherits tells whether a finding is a `secrets: inherit`.
func (f *finding) inherits() bool {
	return f.job != nil && f.job.secretsKey() != nil && f.entry.key == f.job.secretsKey()
}

func (j *job) secretsKey() *yaml.Node {
	if j == nil || !strings.EqualFold(text(j.secrets.value), "inherit") {
		return nil
	}
	return j.secrets.key
}

func (a *analysis) consumerProblem(c *channel, n *finding) string {
	switch n.Kind {
	case inventory.KindAzureLoginCreds:
		if reason, _ := a.credsObstacle(n); reason != "" {
			return reason
		}
		if c, ok := a.composedOf(n); ok && n.convert != nil {
			if _, only := single(c.ClientSecret); only && n.Identity.ClientID != "" && n.Identity.TenantID != "" {
				return ""
			}
		}
		r, ok := single(text(n.entry.value))
		if !ok || r.property != "" || r.index != nil || r.context != "inputs" && r.context != "secrets" {
			return fmt.Sprintf("line %d of %s computes the credential from %s", n.Line, n.File, c.name)
		}
		return ""
	case inventory.KindTerraformEnv:
		if n.Conversion == inventory.ConversionAutomatic {
			return ""
		}
		if n.convert != nil {
			return fmt.Sprintf("line %d of %s takes the credentials JSON apart", n.Line, n.File)
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
	case inventory.KindCompositeInput, inventory.KindReusablePass:
		if len(n.into) == 0 {
			return fmt.Sprintf("line %d of %s passes it on as %s to a file that was not read", n.Line, n.File, c.name)
		}
		for _, down := range n.into {
			if a.above(n, down) == c {
				return ""
			}
		}
		return fmt.Sprintf("line %d of %s passes on a value that is computed from %s", n.Line, n.File, c.name)
	}
	return fmt.Sprintf("line %d of %s uses it in a way that has no automatic form (%s)", n.Line, n.File, n.Kind)
}

// unexplained finds a read of the channel's name in its file that is not one of the consumers'.
func (a *analysis) unexplained(c *channel) int {
	src := c.target.lowered()
	contexts := []string{"inputs", "secrets"}
	for start := range c.target.named(c.name) {
		end := start + len(c.name)
		if start > 0 && isName(src[start-1]) || end < len(src) && isName(src[end]) || c.target.commented(start) {
			continue
		}
		before := bytes.TrimRight(src[:start], " \t[.'\"")
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
	return 0
}
