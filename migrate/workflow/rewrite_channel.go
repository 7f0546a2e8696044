package workflow

import (
	"fmt"
	"strings"
)

// convertChannels converts every channel that a finding belongs to, once.
func convertChannels(r *rewriter, f *finding) error {
	for _, c := range append(append([]*channel{}, f.channels...), f.into...) {
		if !c.done {
			c.done, c.err = true, r.convertChannel(c)
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// convertChannel changes the callers, the declaration and what uses the credential together.
func (r *rewriter) convertChannel(c *channel) error {
	if r.options.Only != nil {
		for _, n := range append(append([]*finding{}, c.consumers...), c.passers...) {
			if !r.options.Only[n.ID] {
				return fmt.Errorf("%s also uses this credential and is not selected", n.ID)
			}
		}
	}
	ids := c.needsIDs()
	inputs := r.idInputs(c)
	for _, name := range inputs {
		if own(get(c.target.root, "inputs"), name) || own(get(c.target.call, "inputs"), name) {
			return fmt.Errorf("%s already has an input %s", c.target.path, name)
		}
	}
	for _, p := range c.passers {
		if err := r.convertPasser(c, p, ids && !c.secret, inputs); err != nil {
			return err
		}
	}
	for _, n := range c.consumers {
		if err := r.convertConsumer(c, n, inputs); err != nil {
			return err
		}
	}
	return r.convertDeclaration(c, ids && !c.secret, inputs)
}

// idInputs are the names of the inputs that take the place of a credential; where a file takes several credentials, each has its own.
func (r *rewriter) idInputs(c *channel) [3]string {
	several := 0
	for _, other := range r.channels {
		if other.target == c.target && !other.secret && other.needsIDs() {
			several++
		}
	}
	prefix := "azure"
	if several > 1 {
		prefix = strings.ReplaceAll(strings.ToLower(c.name), "_", "-")
	}
	return [3]string{prefix + "-client-id", prefix + "-tenant-id", prefix + "-subscription-id"}
}

func (r *rewriter) convertPasser(c *channel, p *finding, ids bool, inputs [3]string) error {
	if p.entry.key == p.job.secretsKey() && !c.differs() {
		return nil // inherit passes what there is
	}
	if c.differs() {
		return r.passIDs(p, inputs)
	}
	if !ids {
		return r.deleteEntry(p, p.entry, "the called file signs in with OIDC and takes no credential")
	}
	n := r.names(p)
	flow := isFlow(p.entry.parent)
	return r.replaceEntry(p, p.entry, [][2]string{
		{inputs[0], expression(n.ClientID, flow)}, {inputs[1], expression(n.TenantID, flow)}, {inputs[2], expression(n.SubscriptionID, flow)},
	}, "pass the ids of the identity instead of its credential")
}

func (r *rewriter) convertConsumer(c *channel, n *finding, inputs [3]string) error {
	if n.own != nil {
		return n.own(r, n)
	}
	names := IdentityNames{ClientID: "inputs." + inputs[0], TenantID: "inputs." + inputs[1], SubscriptionID: "inputs." + inputs[2]}
	if c.secret && !c.differs() {
		names = r.namesOfSecret(n, c)
	}
	lines, err := r.loginInputsOf(n, names)
	if err != nil {
		return err
	}
	if err := r.replaceEntry(n, n.entry, lines, "sign in with OIDC instead of a stored credential"); err != nil {
		return err
	}
	return r.raise(n)
}

// namesOfSecret names the identity of a login in a reusable workflow by the secret that its callers pass.
func (r *rewriter) namesOfSecret(n *finding, c *channel) IdentityNames {
	if len(c.passers) > 0 {
		return r.names(c.passers[0])
	}
	return r.names(n)
}

// convertDeclaration takes the input or secret out of the called file, or puts the ids in its place.
func (r *rewriter) convertDeclaration(c *channel, ids bool, inputs [3]string) error {
	login := c.consumers[0]
	e, ok := c.declaration()
	if !ok {
		return nil // not declared: the callers pass it by `secrets: inherit`, or GitHub warns of it already
	}
	if c.differs() {
		return r.declareIDs(c, e, inputs)
	}
	if !ids {
		return r.deleteEntry(login, e, "no login uses it any longer")
	}
	d := c.target.document
	unit := "  "
	required := ""
	if len(e.value.Content) > 0 && !isFlow(e.value) {
		unit = strings.Repeat(" ", max(1, int(e.value.Content[0].Column-e.key.Column)))
		if v := get(e.value, "required"); v != nil {
			required = text(v)
		}
	}
	start, end := d.entryRange(e)
	nl, margin := d.newline(start), d.margin(start)
	if isFlow(e.parent) {
		return fmt.Errorf("the inputs of %s are in flow style", c.target.path)
	}
	var b strings.Builder
	for i, what := range []string{"Client id of the identity that signs in to Azure", "Tenant id of the identity", "Subscription to work in"} {
		if i > 0 {
			b.WriteString(nl + margin)
		}
		b.WriteString(inputs[i] + ":" + nl + margin + unit + "description: " + what)
		if !c.target.action {
			b.WriteString(nl + margin + unit + "type: string")
		}
		if required != "" {
			b.WriteString(nl + margin + unit + "required: " + required)
		}
	}
	r.edit(c.target, login.ID, start, end, b.String(), "take the ids of the identity instead of its credential")
	return nil
}

// declaration gives the entry that declares the channel in its file.
func (c *channel) declaration() (entry, bool) {
	switch {
	case c.target.action:
		return lookup(get(c.target.root, "inputs"), c.name)
	case c.secret:
		return lookup(get(c.target.call, "secrets"), c.name)
	}
	return lookup(get(c.target.call, "inputs"), c.name)
}
