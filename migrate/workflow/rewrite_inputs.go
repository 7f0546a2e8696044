package workflow

import (
	"fmt"
	"strings"
)

// passIDs lets a job that calls a reusable workflow pass the ids of its identity as inputs instead of a credential as a secret.
func (r *rewriter) passIDs(p *finding, n IdentityNames, inputs [3]string) error {
	const reason = "pass the ids of the identity instead of its credential"
	f, j := p.file, p.job
	if isFlow(j.node) || isFlow(j.with) {
		return fmt.Errorf("the job %s is in flow style", j.id)
	}
	values := [3]string{n.ClientID, n.TenantID, n.SubscriptionID}
	if j.with != nil && len(j.with.Content) > 0 {
		start := f.start(j.with.Content[0])
		margin, nl := f.margin(start), f.newline(start)
		var b strings.Builder
		for i, name := range inputs {
			b.WriteString(name + ": " + expression(values[i], false) + nl + margin)
		}
		r.edit(f, p.ID, start, start, b.String(), reason)
	} else {
		_, end := f.entryRange(j.uses)
		stop := f.lineEnd(end)
		margin, nl := f.margin(f.start(j.uses.key)), f.newline(stop)
		text := nl + margin + "with:"
		for i, name := range inputs {
			text += nl + margin + f.unit(j) + name + ": " + expression(values[i], false)
		}
		r.edit(f, p.ID, stop, stop, text, reason)
	}
	if p.entry.key == j.secretsKey() {
		return nil
	}
	return r.deleteEntry(p, p.entry, "the called file signs in with OIDC and takes no credential")
}

// declareIDs puts the ids of an identity among the inputs of a reusable workflow and takes the declaration of the secret out.
func (r *rewriter) declareIDs(c *channel, secret entry, inputs [3]string) error {
	const reason = "take the ids of the identity instead of its credential"
	d, login := c.target.document, c.consumers[0]
	owner, ok := d.owner(secret.parent)
	if !ok || isFlow(secret.parent) || isFlow(c.target.call) {
		return fmt.Errorf("the secrets of %s are in flow style", c.target.path)
	}
	unit := strings.Repeat(" ", max(1, int(secret.key.Column-owner.key.Column)))
	if in := get(c.target.call, "inputs"); in != nil && len(in.Content) > 0 {
		if isFlow(in) {
			return fmt.Errorf("the inputs of %s are in flow style", c.target.path)
		}
		start := d.start(in.Content[0])
		margin, nl := d.margin(start), d.newline(start)
		r.edit(c.target, login.ID, start, start, declared(inputs, margin, unit, nl), reason)
	} else {
		start := d.start(owner.key)
		margin, nl := d.margin(start), d.newline(start)
		text := margin + "inputs:" + nl + margin + unit + declared(inputs, margin+unit, unit, nl)
		r.edit(c.target, login.ID, d.lineStart(start), d.lineStart(start), strings.TrimSuffix(text, margin+unit), reason)
	}
	return r.deleteEntry(login, secret, "no login uses it any longer")
}

// declared writes three required inputs, each line but the first with its margin, and a margin for what follows.
func declared(inputs [3]string, margin, unit, nl string) string {
	var b strings.Builder
	for i, what := range []string{"Client id of the identity that signs in to Azure", "Tenant id of the identity", "Subscription to work in"} {
		b.WriteString(inputs[i] + ":" + nl + margin + unit + "description: " + what + nl + margin + unit + "type: string" + nl + margin + unit + "required: true" + nl + margin)
	}
	return b.String()
}
