package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

type explainOptions struct {
	subject, issuer, audience, app string
	output                         string
}

func newExplain(a *app) *cobra.Command {
	o := explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain --subject S --issuer I --app A",
		Short: "Explain why an application does not trust a token",
		Long: `Compares what a token presents (as the error AADSTS700213 or azure/login prints it) with
the federated credentials of an application, and says which one nearly matches and in
what it differs: case, ids, ref, environment, issuer or audience. The application is
looked up in the last scan's inventory, by its client id or its name. Ends with 3 if it
does not trust the token.`,
		Example: `  unsecret explain --app 11111111-1111-1111-1111-111111111111 \
      --subject repo:contoso/shop:environment:Production`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.explain(o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.subject, "subject", "", "the token's `sub` claim")
	f.StringVar(&o.issuer, "issuer", subject.GitHubIssuer, "the token's `iss` claim")
	f.StringVar(&o.audience, "audience", subject.Audience, "the token's `aud` claim")
	f.StringVar(&o.app, "app", "", "the application's client `id` or name")
	_ = cmd.MarkFlagRequired("subject")
	_ = cmd.MarkFlagRequired("app")
	outputFlag(cmd, &o.output, "table", "json")
	return cmd
}

func (a *app) explain(o explainOptions) error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	inv, err := a.loadInventory()
	if err != nil {
		return err
	}
	id, err := findIdentity(inv, o.app)
	if err != nil {
		return err
	}
	e := subject.Explain(subject.Subject{Issuer: o.issuer, Value: o.subject, Audience: o.audience}, id.FederatedCredentials)
	if o.output == "json" {
		if err := a.printJSON(e); err != nil {
			return err
		}
	} else {
		a.printExplanation(id, e)
	}
	if !e.Trusted {
		return exitWith(exitFindings)
	}
	return nil
}

// findIdentity finds an application by client id, object id or exact display name.
func findIdentity(inv *inventory.Inventory, app string) (inventory.Identity, error) {
	var found []inventory.Identity
	for _, id := range inv.Identities {
		if string(id.AppID) == app || string(id.ObjectID) == app || id.DisplayName == app {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return inventory.Identity{}, usageErrorf("the inventory has no application %q: scan with --entra and --all-apps, or check the id", app)
	default:
		return inventory.Identity{}, usageErrorf("%d applications are named %q: give the client id", len(found), app)
	}
}

func (a *app) printExplanation(id inventory.Identity, e subject.Explanation) {
	w := a.std.out
	verdict := "does not trust"
	if e.Trusted {
		verdict = "trusts"
	}
	paragraph(w, "", fmt.Sprintf("%s (%s) %s this token:", id.DisplayName, id.AppID, verdict))
	paragraph(w, "  issuer   ", e.Presented.Issuer)
	paragraph(w, "  subject  ", e.Presented.Value)
	paragraph(w, "  audience ", e.Presented.Audience)
	fmt.Fprintln(w)
	paragraph(w, "", e.Text)
	if e.Code != "" {
		paragraph(w, "", "Entra answers "+e.Code+".")
	}
	for _, d := range e.Differences {
		fmt.Fprintln(w)
		field := d.Field
		if d.Kind != "" {
			field += " (" + d.Kind + ")"
		}
		fmt.Fprintf(w, "%s\n", clean(field))
		paragraph(w, "  presented  ", d.Presented)
		paragraph(w, "  trusted    ", d.Trusted)
	}
	if len(e.Next) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range e.Next {
		bullet(w, "→ ", n)
	}
}
