package policy

import (
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// About gives the findings that are about one object of the inventory.
func About(findings []Finding, inv *inventory.Inventory, o inventory.Object) []Finding {
	out := []Finding{}
	for _, f := range findings {
		if about(f, inv, o) {
			out = append(out, f)
		}
	}
	return out
}

func about(f Finding, inv *inventory.Inventory, o inventory.Object) bool {
	switch o.Kind {
	case inventory.ObjectConnection:
		c := inv.Connection(o)
		return f.Object == connectionObject(c) && (len(f.Evidence) == 0 || slices.Contains(f.Evidence, "id "+string(c.ID)))
	case inventory.ObjectIdentity:
		return f.Object == identityObject(inv.Identity(o))
	case inventory.ObjectCredential:
		return f.Object == identityObject(inv.Identity(o)) && slices.Contains(f.Evidence, "key id "+o.ID)
	case inventory.ObjectFederatedCredential:
		return f.Object == identityObject(inv.Identity(o)) && slices.Contains(f.Evidence, "federated credential "+o.Name)
	case inventory.ObjectLogin:
		return f.Object == o.ID
	case inventory.ObjectPipelineSecret:
		s := inv.PipelineSecret(o)
		return f.Object == secretObject(s) && slices.Contains(f.Evidence, "in "+s.Text())
	}
	return false
}
