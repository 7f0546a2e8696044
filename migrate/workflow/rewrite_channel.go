package workflow

import (
	"fmt"
	"strings"
)

// convertChannels converts every channel that a finding belongs to, each with its chain and once.
func convertChannels(r *rewriter, f *finding) error {
	for _, c := range append(append([]*channel{}, f.channels...), f.into...) {
		if !c.done {
			chain := r.chain(c)
			err := r.convertChain(chain)
			for _, other := range chain {
				other.done, other.err = true, err
			}
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// convertChain changes the callers, the declarations and what uses the credential together.
func (r *rewriter) convertChain(chain []*channel) error {
	for _, c := range chain {
		if err := r.mayConvert(c); err != nil {
			return err
		}
	}
	for _, c := range chain {
		for _, p := range c.passers {
			if err := r.convertPasser(c, p); err != nil {
				return err
			}
		}
	}
	for _, c := range chain {
		for _, n := range c.consumers {
			if n.isPasser() {
				continue // its own channel has it
			}
			if err := r.convertConsumer(c, n); err != nil {
				return err
			}
		}
		if err := r.convertDeclaration(c); err != nil {
			return err
		}
	}
	return nil
}

// mayConvert tells what speaks against the conversion of a channel in this rewrite.
func (r *rewriter) mayConvert(c *channel) error {
	if r.options.Only != nil {
		for _, n := range c.members() {
			if !r.options.Only[n.ID] {
				return fmt.Errorf("%s also uses this credential and is not selected", n.ID)
			}
		}
	}
	if err := r.options.mayChange(c.target.path); err != nil {
		return err
	}
	for _, n := range c.members() {
		if err := r.options.mayChange(n.file.path); err != nil {
			return err
		}
	}
	if !c.ids {
		return nil
	}
	for _, name := range r.idInputs(c) {
		if own(get(c.target.root, "inputs"), name) || own(get(c.target.call, "inputs"), name) {
			return fmt.Errorf("%s already has an input %s", c.target.path, name)
		}
	}
	return nil
}

// idInputs are the names of the inputs that take the place of a credential; where a file takes several credentials, each has its own.
func (r *rewriter) idInputs(c *channel) [3]string {
	several := 0
	for _, other := range r.channels {
		if other.target == c.target && other.ids {
			several++
		}
	}
	prefix := "azure"
	if several > 1 {
		prefix = strings.ReplaceAll(strings.ToLower(c.name), "_", "-")
	}
	return [3]string{prefix + "-client-id", prefix + "-tenant-id", prefix + "-subscription-id"}
}

func (r *rewriter) convertPasser(c *channel, p *finding) error {
	switch {
	case !c.ids && p.inherits():
		return nil // inherit passes what there is
	case !c.ids:
		return r.deleteEntry(p, p.entry, "the called file signs in with OIDC and takes no credential")
	case c.secret:
		return r.passIDs(p, r.passedNames(p, c), r.idInputs(c))
	}
	n, inputs := r.passedNames(p, c), r.idInputs(c)
	flow := isFlow(p.entry.parent)
	return r.replaceEntry(p, p.entry, [][2]string{
		{inputs[0], expression(n.ClientID, flow)}, {inputs[1], expression(n.TenantID, flow)}, {inputs[2], expression(n.SubscriptionID, flow)},
	}, "pass the ids of the identity instead of its credential")
}

// passedNames names the identity that a caller passes: as its own callers pass it, where it is in a chain.
func (r *rewriter) passedNames(p *finding, c *channel) IdentityNames {
	up := r.above(p, c)
	if up == nil || len(up.passers) == 0 {
		return r.names(p)
	}
	return r.namesInside(p, up)
}

// namesInside names the identity in the called file: by the inputs that took the credential's place, or by the secret that all
// callers pass in the end.
func (r *rewriter) namesInside(n *finding, c *channel) IdentityNames {
	if c.ids {
		inputs := r.idInputs(c)
		return IdentityNames{ClientID: "inputs." + inputs[0], TenantID: "inputs." + inputs[1], SubscriptionID: "inputs." + inputs[2]}
	}
	for range r.channels { // a chain has no more links than there are channels
		if len(c.passers) == 0 {
			break
		}
		n = c.passers[0]
		up := r.above(n, c)
		if up == nil {
			break
		}
		c = up
	}
	return r.names(n)
}

func (r *rewriter) convertConsumer(c *channel, n *finding) error {
	if n.own != nil {
		return n.own(r, n)
	}
	lines, err := r.loginInputsOf(n, r.namesInside(n, c))
	if err != nil {
		return err
	}
	if err := r.replaceEntry(n, n.entry, lines, "sign in with OIDC instead of a stored credential"); err != nil {
		return err
	}
	return r.raise(n)
}

// convertDeclaration takes the input or secret out of the called file, or puts the ids in its place.
func (r *rewriter) convertDeclaration(c *channel) error {
	login, inputs := c.consumers[0], r.idInputs(c)
	e, ok := c.declaration()
	if !ok {
		return nil // not declared: the callers pass it by `secrets: inherit`, or GitHub warns of it already
	}
	if !c.ids {
		return r.deleteEntry(login, e, "no login uses it any longer")
	}
	if c.secret {
		return r.declareIDs(c, e, inputs)
	}
	d := c.target.document
	unit := "  "
	required := ""
	if len(e.value.Content) > 0 && !isFlow(e.value) {
		unit = strings.Repeat(" ", max(1, int(e.value.Content[0].Column-e.key.Column)))
	}
	if v := get(e.value, "required"); v != nil {
		required = text(v)
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
