package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// devOps finds a connection of the lab by its name.
func devOps(w *world.World, name string) *world.Connection {
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			if c.Refs[0].Name == name {
				return c
			}
		}
	}
	panic("no connection " + name)
}

// like adds a connection that is like another one but for a change.
func like(w *world.World, of, name string, change func(*world.Connection)) {
	for _, o := range w.DevOps {
		c := *devOps(w, of)
		c.ID = w.NewID()
		c.Data, c.Params, c.Hidden, c.Refs = maps.Clone(c.Data), maps.Clone(c.Params), maps.Clone(c.Hidden), nil
		for _, r := range devOps(w, of).Refs {
			ref := *r
			ref.Name = name
			c.Refs = append(c.Refs, &ref)
		}
		change(&c)
		o.Connections[c.ID] = &c
	}
}

// everyKind adds what the scenario of pipelines lacks.
func everyKind(w *world.World) {
	scheme := func(s string, params map[string]string) func(*world.Connection) {
		return func(c *world.Connection) { c.Scheme, c.Params, c.Hidden = s, params, nil }
	}
	typed := func(typ, s string, data map[string]string) func(*world.Connection) {
		return func(c *world.Connection) {
			c.Type, c.Scheme, c.Data, c.Params, c.Hidden = typ, s, data, map[string]string{}, nil
		}
	}
	like(w, "vault", "disabled", func(c *world.Connection) { c.Disabled = true })
	like(w, "vault", "broken", func(c *world.Connection) {
		c.NotReady, c.OpState, c.OpMessage = true, "Failed", "Failed to set Azure permission"
	})
	like(w, "vault", "outdated", func(c *world.Connection) { c.Outdated = true })
	like(w, "vault", "by-terraform", func(c *world.Connection) { c.Refs[0].Description = "Managed by Terraform" })
	like(w, "vault", "government", func(c *world.Connection) { c.Data["environment"] = "AzureUSGovernment" })
	like(w, "vault", "stack", func(c *world.Connection) { c.Data["environment"] = "AzureStack" })
	like(w, "vault", "many-tenants", func(c *world.Connection) {
		c.Params["serviceprincipalid"] = devOps(w, "partner").Params["serviceprincipalid"]
	})
	like(w, "vault", "hidden", func(c *world.Connection) { c.Unreadable = true })
	like(w, "vault", "agent", scheme(inventory.SchemeManagedIdentity, map[string]string{"tenantid": devOps(w, "vault").Params["tenantid"]}))
	like(w, "vault", "site", scheme(inventory.SchemePublishProfile, map[string]string{"publishProfile": ""}))
	like(w, "vault", "old-classic", typed("azure", "Certificate", map[string]string{}))
	like(w, "vault", "cluster-token", typed("kubernetes", "Token", map[string]string{"authorizationType": "ServiceAccount"}))
	like(w, "vault", "code", typed("github", "Token", map[string]string{}))
	like(w, "vault", "code-app", typed("github", "InstallationToken", map[string]string{}))
	like(w, "vault", "web", typed("generic", "UsernamePassword", map[string]string{}))
	like(w, "vault", "hub", typed("dockerregistry", "UsernamePassword", map[string]string{"registrytype": "DockerHub"}))
	like(w, "vault", "strange", typed("contoso.deployer", "MadeUp", map[string]string{}))
}

// frozen is what of the connections must not change unless they are converted.
func frozen(w *world.World, leave func(name string) bool) map[string]string {
	out := map[string]string{}
	w.Lock()
	defer w.Unlock()
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			if leave(c.Refs[0].Name) {
				out[c.Refs[0].Name] = fmt.Sprint(c.Scheme, c.Params, c.Hidden, c.Data, c.Disabled, c.Refs[0], c.OpState)
			}
		}
	}
	return out
}

func TestEveryKindOfConnectionIsClassifiedExplainedMigratedAndRolledBack(t *testing.T) {
	j := pipelinesJourney(t, everyKind, func(c *plan.Config) { c.Connections.Registry = plan.ConnectionsConvert })
	j.lab.World.Knobs.ACRConvert = true
	inv := j.scan()
	classes := map[inventory.ConnectionClass]string{}
	for _, c := range inv.Connections {
		if c.Class == "" || c.ClassReason == "" {
			t.Errorf("%s is not classified: %q %q", c.Name, c.Class, c.ClassReason)
		}
		classes[c.Class] = c.Name
	}
	if len(classes) < 17 {
		t.Errorf("only %d classes: %v", len(classes), classes)
	}
	p := j.makePlan()
	in := explain.Input{Inventory: inv, Findings: policy.Evaluate(inv, policy.Config{}), Plan: p}
	converted := map[string]bool{}
	for i, c := range inv.Connections {
		e := explain.Why(in, inv.ConnectionObject(i))
		if e.Classified.Claim == "" || len(e.Planned)+len(e.Reasons) == 0 {
			t.Errorf("%s: why says neither what becomes of it nor why nothing does: %+v", c.Name, e)
		}
		converted[c.Name] = slices.ContainsFunc(e.Planned, func(s explain.Planned) bool { return strings.HasPrefix(s.Step, string(plan.StepConnection)+"/") })
	}
	before := frozen(j.lab.World, func(name string) bool { return !converted[name] })
	all := frozen(j.lab.World, func(string) bool { return true })
	j.pass(time.Hour)
	j.log(j.apply())
	j.mergeAll()
	j.log(j.apply())
	j.pass(time.Hour)
	j.log(j.verify())
	j.pass(8 * 24 * time.Hour)
	r := j.revoke()
	var units []string
	for _, u := range r.Units {
		if u.State == execute.UnitFailed {
			t.Errorf("%s failed: %s", u.Unit, u.Reason)
		}
		if u.State != execute.UnitBlocked {
			units = append(units, u.Unit)
		}
	}
	if n := r.Count(execute.UnitRevoked); n < 4 {
		j.log(r)
		t.Errorf("%d units are revoked", n)
	}
	for name, is := range converted {
		if got := strings.HasPrefix(j.scheme(name), inventory.SchemeFederation); is && !got {
			t.Errorf("%s is planned to be converted, and is %s", name, j.scheme(name))
		}
	}
	if diff := cmp.Diff(before, frozen(j.lab.World, func(name string) bool { return !converted[name] })); diff != "" {
		t.Errorf("what is left alone has changed:\n%s", diff)
	}
	j.rollback(units...)
	j.mergeAll()
	back := j.rollback(units...)
	if n := back.Count(execute.UnitRolledBack); n != len(units) {
		j.log(back)
		t.Errorf("%d of %d units are rolled back", n, len(units))
	}
	for _, r := range []execute.Result{back, j.status()} { // who is called next month must not learn it from a failing pipeline
		if u := j.unit(r, "legacy"); !strings.HasPrefix(u.Reason, "everything signs in as before; what needed a new password has one that ends on 20") || len(u.Next) != 1 {
			t.Errorf("%s: a rollback with a new password says %q, %q", r.Command, u.Reason, u.Next)
		}
	}
	for name := range all {
		if converted[name] && !strings.HasPrefix(j.scheme(name), inventory.SchemeServicePrincipal) {
			t.Errorf("%s is %s after the rollback", name, j.scheme(name))
		}
	}
}

func TestSpecialConnectionsAreLeftWithTheRightWords(t *testing.T) {
	j := pipelinesJourney(t, everyKind, nil)
	inv := j.scan()
	p := j.makePlan()
	left := map[string]string{}
	for _, l := range p.Left {
		left[l.Object] += l.Code + ": " + l.Reason + "\n"
	}
	for name, want := range map[string]string{
		"disabled": "disabled: it is disabled", "broken": "not-ready: it is not ready (Failed to set Azure permission)",
		"government": "AzureUSGovernment", "stack": "azure-stack: Azure Stack does not support workload identity federation", "many-tenants": "multi-tenant: its application has sign-in audience AzureADMultipleOrgs",
		"hidden": "unreadable", "agent": "already: it signs in with a managed identity", "site": "publish-profile",
	} {
		if got := left["connection "+name]; !strings.Contains(got, want) {
			t.Errorf("%s: %q does not say %q", name, got, want)
		}
	}
	found := map[string]string{}
	for _, f := range policy.Evaluate(inv, policy.Config{}) {
		found[f.Rule] += f.Message + "\n" + strings.Join(f.Evidence, "\n")
	}
	for rule, want := range map[string]string{
		"connection-disabled": "connection disabled in fabrikam is disabled", "connection-not-ready": "Failed to set Azure permission",
		"connection-outdated": "connection outdated in fabrikam", "connection-named-subject": "sc://fabrikam/Platform/reporting",
		"connection-terraform": `service_endpoint_authentication_scheme = "WorkloadIdentityFederation"`, "connection-old-issuer": "2027-07-01",
	} {
		if !strings.Contains(found[rule], want) {
			t.Errorf("%s: %q does not say %q", rule, found[rule], want)
		}
	}
	if notes := fmt.Sprint(j.planned("vault-reader").Notes); !strings.Contains(notes, "terraform-managed") || !strings.Contains(notes, "azuredevops_serviceendpoint_azurerm") {
		t.Errorf("the plan does not warn of Terraform: %s", notes)
	}
}

// Texts of refusals of a conversion, as they are published or as their words are reported.
const (
	blockedText   = "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'."
	sharedText    = "cannot be converted because it is shared from another project"
	convertedText = "Converting endpoint type azurerm scheme from WorkloadIdentityFederation to WorkloadIdentityFederation is neither an upgrade or a downgrade and is not supported."
)

func refuseConvert(text string) func(*world.World, *world.Connection) {
	return func(w *world.World, _ *world.Connection) { w.Knobs.RefuseConvert = text }
}

// TestEachRefusalEndsInItsMessageAndChangesNothing lets the world change between the plan and the conversion, so that the service refuses it in each
// of the ways that it is documented to.
func TestEachRefusalEndsInItsMessageAndChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		connection string
		change     func(w *world.World, c *world.Connection)
		says, next string
	}{
		"no valid configuration": {"vault", func(w *world.World, _ *world.Connection) { w.Knobs.FICPropagation = 24 * time.Hour },
			"could not be upgraded to WorkloadIdentityFederation because the service principal could not be configured automatically, and no valid configuration exists", "add a federated credential to application"},
		"Azure Stack": {"vault", func(_ *world.World, c *world.Connection) { c.Data["environment"] = "AzureStack" }, "Unable to connect to the Azure Stack environment", "the connection was not modified"},
		"another tenant, automatic": {"store-production", func(w *world.World, _ *world.Connection) { w.DevOps["fabrikam"].TenantID = w.NewID() },
			"AAD returned silent failure", "the connection was not modified"},
		"a policy on issuers": {"vault", func(w *world.World, c *world.Connection) {
			w.Knobs.BlockedIssuer = world.EntraIssuer(c.Params["tenantid"])
		},
			"AADSTS700223", "ask its administrators to allow issuer"},
		"too many requests":           {"vault", refuseConvert(blockedText), "TF400733", "has sent too many: wait ten minutes"},
		"cancelled":                   {"vault", refuseConvert("TF400733: The request has been canceled: the server is busy."), "TF400733", "it looks at what became of it"},
		"shared from another project": {"vault", refuseConvert(sharedText), sharedText, "the connection was not modified"},
		"converted meanwhile":         {"vault", refuseConvert(convertedText), convertedText, ""},
		"no sign-in any more": {"vault", func(w *world.World, _ *world.Connection) {
			delete(w.Tokens, lab.Token(world.AudienceAzureDevOps, world.RoleOperator))
		}, "TF400813", ""},
		"no right any more": {"vault", func(w *world.World, _ *world.Connection) {
			w.Tokens[lab.Token(world.AudienceAzureDevOps, world.RoleOperator)].Role = world.RoleReader
		}, "Administer Service Connections", ""},
		"another scheme": {"vault", func(_ *world.World, c *world.Connection) {
			c.Scheme, c.Params = inventory.SchemeManagedIdentity, map[string]string{"tenantid": c.Params["tenantid"]}
		}, "scheme moved from \"ServicePrincipal\" to \"ManagedServiceIdentity\"", ""},
		"another type": {"vault", func(_ *world.World, c *world.Connection) { c.Type = "generic" }, "neither an upgrade or a downgrade", ""},
		"other projects": {"vault", func(w *world.World, c *world.Connection) {
			c.Refs = append(c.Refs, devOps(w, "signer").Refs[0])
		}, "projects moved from", ""},
		"gone": {"vault", func(_ *world.World, c *world.Connection) { c.Deleted = true }, "may have been deleted", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := pipelinesJourney(t, nil, nil)
			j.makePlan()
			j.pass(time.Hour)
			j.change(func(w *world.World) { tc.change(w, devOps(w, tc.connection)) })
			before := frozen(j.lab.World, func(name string) bool { return name == tc.connection })
			r := j.apply()
			title := map[string]string{"vault": "vault-reader", "store-production": "fabrikam-store"}[tc.connection]
			u := j.unit(r, title)
			if text := fmt.Sprintf("%s %+v", u.Reason, u.Steps); u.State != execute.UnitFailed || !strings.Contains(text, tc.says) {
				t.Errorf("%s: %s does not say %q", u.State, text, tc.says)
			}
			if next := fmt.Sprintf("%s %+v %+v", u.Reason, u.Next, u.Steps); !strings.Contains(next, tc.next) {
				t.Errorf("nobody is told to %q: %s", tc.next, next)
			}
			if diff := cmp.Diff(before, frozen(j.lab.World, func(name string) bool { return name == tc.connection })); diff != "" {
				t.Errorf("the connection was modified:\n%s", diff)
			}
		})
	}
}

// TestEachRefusedSignInEndsInItsCodeAndTheConnectionAsItWas lets the token endpoint refuse the converted connection with each of the codes that are
// documented for federated sign-ins: it is converted back, and a person is told what to do about that code.
func TestEachRefusedSignInEndsInItsCodeAndTheConnectionAsItWas(t *testing.T) {
	for code, next := range map[int]string{
		70021: "look whether application", 700211: "look whether application", 700212: "look whether application", 700213: "look whether application", 70025: "look whether application",
		7002138: "only by upper and lower case", 700016: "is not in the tenant that the connection names", 700024: "too old or not yet valid",
		70052: "make application", 900382: "refuses federated sign-ins from another cloud",
		700223: "ask its administrators to allow issuer", 700238: "ask its administrators to allow issuer", 7002381: "ask its administrators to allow issuer",
		500011: "see whether the service and the network work", // one that nothing is known of
	} {
		t.Run(fmt.Sprintf("AADSTS%d", code), func(t *testing.T) {
			t.Parallel()
			j := pipelinesJourney(t, nil, nil)
			j.makePlan()
			j.pass(time.Hour)
			j.change(func(w *world.World) { w.Knobs.RefuseFederation = code })
			vault := func(name string) bool { return name == "vault" }
			before := frozen(j.lab.World, vault)
			r := j.apply()
			u := j.unit(r, "vault-reader")
			text := fmt.Sprintf("%s %+v %+v", u.Reason, u.Next, u.Steps)
			for _, part := range []string{fmt.Sprintf("AADSTS%d: ", code), "it was converted back and works as before", next} {
				if !strings.Contains(text, part) {
					t.Errorf("%s: %q is not said: %s", u.State, part, text)
				}
			}
			if strings.Contains(strings.Join(u.Next, ""), "{") {
				t.Errorf("a place is left open: %s", text)
			}
			if diff := cmp.Diff(before, frozen(j.lab.World, vault)); u.State != execute.UnitFailed || diff != "" {
				t.Errorf("%s; the connection was modified:\n%s", u.State, diff)
			}
		})
	}
}

// TestATestThatAzureRefusesSaysWhatToDo lets the converted connection sign in, and Azure refuse what its test reads: it is converted back, and a person
// is told which role or subscription is missing.
func TestATestThatAzureRefusesSaysWhatToDo(t *testing.T) {
	refused := func(code string) string {
		return "Failed to query service connection API: 'https://management.azure.com/subscriptions/1?api-version=2016-06-01'. Status Code: 'Forbidden', Response from server: '{\"error\":{\"code\":\"" + code + "\",\"message\":\"no\"}}'"
	}
	for code, next := range map[string]string{
		"AuthorizationFailed": "has no Azure role on /subscriptions/", "SubscriptionNotFound": "is not there for application", "InvalidAuthenticationTokenTenant": "is in another tenant",
		"ReadOnlyDisabledSubscription": "is disabled", "Unheard": "see whether the service and the network work",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			j := pipelinesJourney(t, nil, nil)
			j.makePlan()
			j.pass(time.Hour)
			j.change(func(w *world.World) { w.Knobs.RefuseTest = refused(code) })
			u := j.unit(j.apply(), "vault-reader")
			text := fmt.Sprintf("%s %+v %+v", u.Reason, u.Next, u.Steps)
			for _, part := range []string{code, "it was converted back and works as before", next} {
				if !strings.Contains(text, part) {
					t.Errorf("%s: %q is not said: %s", u.State, part, text)
				}
			}
			if strings.Contains(text, "{scope}") || strings.Contains(text, "{application}") {
				t.Errorf("a place is left open: %s", text)
			}
		})
	}
}

// TestAProofThatLacksARoleSaysWhichOne takes the identity's roles away after the conversion: verify fails, and says what to assign.
func TestAProofThatLacksARoleSaysWhichOne(t *testing.T) {
	j := pipelinesJourney(t, nil, nil)
	j.makePlan()
	j.pass(time.Hour)
	j.log(j.apply())
	j.change(func(w *world.World) { w.Roles = nil })
	u := j.unit(j.verify(), "vault-reader")
	if next := strings.Join(u.Next, " "); u.State != execute.UnitFailed || !strings.Contains(u.Reason, "AuthorizationFailed") || !strings.Contains(next, "az role assignment create --assignee") {
		t.Errorf("%s: %s; next: %v", u.State, u.Reason, u.Next)
	}
}
