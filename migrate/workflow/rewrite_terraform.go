package workflow

import (
	"errors"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

const literalOrPlain = yaml.LiteralStyle

const useOIDC = "let the provider request the job's OIDC token instead of reading a stored secret"

// terraformToOIDC puts ARM_USE_OIDC in the place of ARM_CLIENT_SECRET.
func terraformToOIDC(r *rewriter, f *finding) error {
	switch {
	case f.option == "backend-config":
		return r.dropArgument(f)
	case f.script != nil:
		return r.scriptToOIDC(f)
	}
	if err := r.readersDone(f, f.entry.key.Value); err != nil {
		return err
	}
	if own(f.entry.parent, "ARM_USE_OIDC") {
		return r.deleteEntry(f, f.entry, useOIDC)
	}
	return r.replaceEntry(f, f.entry, [][2]string{{"ARM_USE_OIDC", `"true"`}}, useOIDC)
}

func own(n *yaml.Node, name string) bool {
	for i := 0; n != nil && i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// scriptToOIDC changes export ARM_CLIENT_SECRET=… and what is written to $GITHUB_ENV.
func (r *rewriter) scriptToOIDC(f *finding) error {
	if !f.exact {
		return errors.New("the script is written with escapes")
	}
	old := string(f.file.src[f.start:f.end])
	i := strings.Index(strings.ToUpper(old), "ARM_CLIENT_SECRET")
	if i < 0 {
		return errors.New("the variable is not found in the script")
	}
	text := old[:i] + "ARM_USE_OIDC=true"
	if f.assignment != nil && f.script.shell == script.PowerShell {
		text = old[:i] + f.script.inScalar("ARM_USE_OIDC = 'true'")
	}
	r.edit(f.file, f.ID, f.start, f.end, text, useOIDC)
	return r.dropRead(f, old)
}

// dropArgument takes an argument such as -backend-config="client_secret=…" out of a command.
func (r *rewriter) dropArgument(f *finding) error {
	d := f.file
	if !f.exact {
		return errors.New("the script is written with escapes")
	}
	if _, alone := d.indent(f.start); alone && strings.TrimSpace(string(d.src[f.end:d.lineEnd(f.end)])) == `\` {
		r.edit(d, f.ID, d.lineStart(f.start), d.nextLine(f.end), "", "the backend reads ARM_USE_OIDC")
		return r.dropRead(f, string(d.src[f.start:f.end]))
	}
	start := f.start
	for start > 0 && isBlank(d.src[start-1]) {
		start--
	}
	if start == d.lineStart(f.start) {
		return errors.New("the argument ends a command that spans lines")
	}
	r.edit(d, f.ID, start, f.end, "", "the backend reads ARM_USE_OIDC")
	return r.dropRead(f, string(d.src[f.start:f.end]))
}

// providerIDs are the variables with the ids that the provider reads beside its client secret.
var providerIDs = []string{"ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID"}

// jsonPartsToOIDC puts variables in the place of the parts of a credentials JSON, and ARM_USE_OIDC in that of the secret.
func jsonPartsToOIDC(r *rewriter, f *finding) error {
	if f.script != nil {
		return r.scriptToOIDC(f)
	}
	n := r.names(f)
	ids := map[string]string{providerIDs[0]: n.ClientID, providerIDs[1]: n.TenantID, providerIDs[2]: n.SubscriptionID}
	for e := range each(f.entry.parent) {
		id, ok := ids[strings.ToUpper(e.key.Value)]
		if !ok || e.parent != f.entry.parent {
			continue
		}
		if p, only := single(text(e.value)); only && p.property != "" && p.context == "secrets" {
			start, end := f.file.start(e.raw), f.file.end(e.raw)
			r.edit(f.file, f.ID, start, end, expression(id, isFlow(e.parent)), "the id is no secret: it comes from a variable")
		}
	}
	return terraformToOIDC(r, f)
}
