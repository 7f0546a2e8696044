package inventory

import "testing"

func TestWhatIsLeftOfTheOldIssuerIsKnownOnlyWhereAllConnectionsAre(t *testing.T) {
	const org = "E08E523C-54da-4401-8fb6-e1439b52cc97"
	fc := FederatedCredential{Issuer: "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97", Subject: "sc://contoso/Shop/production"}
	conn := func(change func(*Connection)) *Inventory {
		c := Connection{ID: "c", Organization: "contoso", Name: "production", Readable: true, Scheme: SchemeFederation, Issuer: "https://login.microsoftonline.com/t/v2.0", Subject: "/eid1/x",
			Projects: []ConnectionProject{{Name: "Shop", As: "production"}}}
		change(&c)
		return &Inventory{Sources: []Source{{Kind: SourceAzureDevOps, Name: "contoso", ID: org}}, Connections: []Connection{c}}
	}
	gap := conn(func(*Connection) {})
	gap.Gaps = []Gap{{Source: SourceAzureDevOps, Object: "connections of contoso/Shop"}}
	elsewhere := conn(func(*Connection) {})
	elsewhere.Sources = nil
	for name, c := range map[string]struct {
		inv             *Inventory
		left, presented bool
	}{
		"moved to Entra's issuer":                   {conn(func(*Connection) {}), true, false},
		"presented":                                 {conn(func(c *Connection) { c.Issuer, c.Subject = fc.Issuer, fc.Subject }), false, true},
		"presented but for case":                    {conn(func(c *Connection) { c.Issuer, c.Subject = fc.Issuer, "sc://Contoso/shop/Production" }), false, true},
		"a secret that may be converted":            {conn(func(c *Connection) { c.Scheme, c.Issuer, c.Subject = SchemeServicePrincipal, "", "" }), false, true},
		"a secret of another name":                  {conn(func(c *Connection) { c.Scheme, c.Projects[0].As = SchemeServicePrincipal, "other" }), true, false},
		"not readable":                              {conn(func(c *Connection) { c.Readable = false }), false, false},
		"a project whose connections are not known": {gap, false, false},
		"an organisation that was not scanned":      {elsewhere, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewOldTrust(c.inv)
			if o.Left(fc) != c.left || o.Presented(fc) != c.presented || !o.Of(fc) {
				t.Errorf("left %t, presented %t", o.Left(fc), o.Presented(fc))
			}
		})
	}
	o := NewOldTrust(gap)
	older := FederatedCredential{Issuer: "https://app.vstoken.visualstudio.com", Subject: fc.Subject}
	if !o.From(fc, org) || o.From(fc, "another") || !o.From(older, org) || !o.Names(older, gap.Connections[0]) || o.Left(older) {
		t.Error("the older host's issuer names no organisation, and its subject does")
	}
}
