package entra_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/entra"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestWhatForbidsTheCallerToAddAPasswordIsReadFromTheTokenAndTheOwners(t *testing.T) {
	const owner, admin, reader = "0b9f8b3c-5f0c-4d0f-9c55-5c2f3a4f8a01", "158c047a-c907-4556-b7ef-551546a6b5f7", "b79fbf4d-3ef9-4689-8143-76b194e85509"
	type m map[string]any
	for name, tc := range map[string]struct {
		claims m
		want   string // empty: nothing is known to stand against it
	}{
		"an application that may change all":            {m{"oid": "x", "roles": []string{"Application.ReadWrite.All"}}, ""},
		"an application that may change its own":        {m{"oid": owner, "roles": []string{"Application.ReadWrite.OwnedBy"}}, ""},
		"an application with a directory role":          {m{"oid": "x", "wids": []string{admin}}, ""},
		"an application that owns it and may only read": {m{"oid": owner, "roles": []string{"Application.Read.All"}}, "lacks Application.ReadWrite.OwnedBy"},
		"an application that does not own it":           {m{"oid": "x", "roles": []string{"Application.ReadWrite.OwnedBy"}}, "does not own the application"},
		"a person who is an administrator":              {m{"oid": "x", "scp": "User.Read Directory.AccessAsUser.All", "wids": []string{reader, admin}}, ""},
		"a person who owns it":                          {m{"oid": strings.ToUpper(owner), "scp": "Application.ReadWrite.All", "wids": []string{reader}}, ""},
		"a person with neither":                         {m{"oid": "x", "scp": "Application.ReadWrite.All", "wids": []string{reader}}, "neither Application nor Cloud Application Administrator"},
		"a person whose roles are not told":             {m{"oid": "x", "scp": "Application.ReadWrite.All"}, ""},
		"a person's token without the scope":            {m{"oid": owner, "scp": "User.Read", "wids": []string{admin}}, "scopes do not hold Application.ReadWrite.All"},
		"a token that tells nothing":                    {m{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := labtest.Demo(t)
			site := appNamed(w, "docs-site")
			site.Owners = []world.Principal{{ObjectID: owner, DisplayName: "unsecret"}}
			l := labtest.Start(t, w, lab.Options{})
			client, tr := labtest.Client(t, l.World.Endpoints.Graph, "entra", world.AudienceGraph, world.RoleReader, transport.Options{ReadOnly: true})
			payload, err := json.Marshal(tc.claims)
			if err != nil {
				t.Fatal(err)
			}
			c, err := entra.New(entra.Config{Tenant: inventory.TenantID(tenantOf(w).ID), URL: w.Endpoints.Graph, HTTP: client, Now: tr.Now,
				Token: func(context.Context) (string, error) {
					return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".x", nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.PasswordRefusal(t.Context(), inventory.Identity{AppID: inventory.AppID(site.AppID), ObjectID: inventory.ObjectID(site.ObjectID)})
			if err != nil || (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%q, %v; want %q", got, err, tc.want)
			}
			facts := c.Probe(t.Context()).Answers[0].Facts
			scopes, person := tc.claims["scp"].(string)
			roles, _ := tc.claims["roles"].([]string)
			if want := scopes + strings.Join(roles, " "); facts[doctor.FactGranted] != want || (facts[doctor.FactPerson] != "") != person {
				t.Errorf("the doctor is told %v, want %q", facts, want)
			}
		})
	}
}
