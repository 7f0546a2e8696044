package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// The rules that link a login to its identity, the surest first.
const (
	ruleMapping   = "mapping"
	ruleReadable  = "readable"
	ruleFederated = "federated-credential"
)

// link is the identity behind a secret store, or behind a login that names its identity itself.
type link struct {
	app          inventory.AppID
	tenant       inventory.TenantID
	subscription inventory.SubscriptionID
	rule         string
	because      string
	problem      *Reason           // not nil: the identity is not known
	candidates   []inventory.AppID // where it is not certain: what it may be
}

// evidence is one rule's answer.
type evidence struct {
	rule, why    string
	app          inventory.AppID
	tenant       inventory.TenantID
	subscription inventory.SubscriptionID
}

// linker resolves stores to identities.
type linker struct {
	inv     *inventory.Inventory
	stores  *stores
	mapping []Mapping
	names   VariableNames
	only    map[string]int // how many credential stores a place has
}

// store links one secret store, given everything that reads it.
func (k *linker) store(ref inventory.StoreRef, uses []use) link {
	found := k.mapped(ref)
	for _, u := range uses {
		found = append(found, k.readable(u.login, u.repository, u.environments)...)
	}
	if len(found) == 0 {
		found = k.beside(ref, uses)
	}
	if len(found) == 0 {
		found = k.federated(uses)
	}
	return k.proposed(ref, decide(ref.String(), found, mappingLine(ref)))
}

// proposed adds to what is not known what a mapping proposes that nobody has confirmed. It decides nothing, but the
// identity's old secrets are kept as long as it may be right.
func (k *linker) proposed(ref inventory.StoreRef, l link) link {
	if l.problem == nil {
		return l
	}
	for i, m := range k.mapping {
		if m.confirmed() || !m.ref().Same(ref) {
			continue
		}
		l.candidates = append(l.candidates, lower(m.AppID))
		l.problem = &Reason{Code: "unconfirmed-mapping", Object: l.problem.Object,
			Message: fmt.Sprintf("mapping[%d] proposes %s as the identity behind %s, and nobody has confirmed it", i, m.AppID, ref),
			Next:    []string{"look at the evidence with unsecret identify; if it is right, set confirmed: true there, or else correct appId or remove the entry", "then plan again"}}
	}
	slices.Sort(l.candidates)
	l.candidates = slices.Compact(l.candidates)
	return l
}

// alone links a login that reads no secret store that is known by name.
func (k *linker) alone(l *inventory.Login) link {
	var found []evidence
	for _, repo := range runsIn(l) {
		found = append(found, k.readable(l, repo, k.stores.environments(l, repo))...)
	}
	ref := inventory.StoreRef{Level: inventory.LevelRepository, Repository: l.Repository, Name: "SECRET_NAME"}
	return decide(string(l.ID), found, mappingLine(ref))
}

func (k *linker) mapped(ref inventory.StoreRef) []evidence {
	var out []evidence
	for i, m := range k.mapping {
		if m.confirmed() && m.ref().Same(ref) {
			out = append(out, evidence{rule: ruleMapping, why: fmt.Sprintf("mapping[%d] names %s", i, m.AppID),
				app: lower(m.AppID), tenant: m.TenantID, subscription: m.SubscriptionID})
		}
	}
	return out
}

// readable reads the ids that stand beside a login, as literals or in variables.
func (k *linker) readable(l *inventory.Login, repo inventory.RepositoryName, environments []string) []evidence {
	var out []evidence
	for _, e := range environments {
		app := k.value(repo, e, l.Identity.ClientID)
		if app == "" {
			continue
		}
		out = append(out, evidence{rule: ruleReadable, app: lower(inventory.AppID(app)),
			why:          readableWhy(l, app),
			tenant:       inventory.TenantID(k.value(repo, e, l.Identity.TenantID)),
			subscription: inventory.SubscriptionID(k.value(repo, e, l.Identity.SubscriptionID))})
	}
	return out
}

func readableWhy(l *inventory.Login, app string) string {
	if l.Identity.ClientID == app {
		return fmt.Sprintf("the client id %s stands beside it at %s", app, l.ID)
	}
	return fmt.Sprintf("%s is %s at %s", l.Identity.ClientID, app, l.ID)
}

// value reads a literal id or a variable; anything else is not readable.
func (k *linker) value(repo inventory.RepositoryName, environment, expression string) string {
	text := strings.TrimSpace(expression)
	if name, ok := cutPrefixFold(text, "vars."); ok {
		text, _ = k.stores.variable(repo, environment, name)
		text = strings.TrimSpace(text)
	}
	if !inventory.IsGUID(text) {
		return ""
	}
	return text
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// beside reads a variable that stands in the same place as the secret and is named like its client id. A general name, such
// as AZURE_CLIENT_ID, speaks only for the one secret of its place that is a credential, and not where a login
// that is federated already may be meant by it.
func (k *linker) beside(ref inventory.StoreRef, uses []use) []evidence {
	names := []string{strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(ref.Name), "_CREDENTIALS"), "_SECRET"), "_CLIENT") + "_CLIENT_ID"}
	if k.only[placeKey(ref)] == 1 && !k.federatedIn(uses) {
		names = append(names, k.names.ClientID, "AZURE_CLIENT_ID", "ARM_CLIENT_ID")
	} else if names[0] == "AZURE_CLIENT_ID" || names[0] == "ARM_CLIENT_ID" {
		return nil
	}
	for _, name := range names {
		at := ref
		at.Name = name
		v := k.stores.variables[at.Key()]
		if v == nil || !inventory.IsGUID(strings.TrimSpace(v.Value)) {
			continue
		}
		prefix := strings.TrimSuffix(strings.ToUpper(name), "_CLIENT_ID")
		return []evidence{{rule: ruleReadable, app: lower(inventory.AppID(v.Value)), why: fmt.Sprintf("variable %s beside it is %s", at, v.Value),
			tenant: inventory.TenantID(k.idAt(at, prefix+"_TENANT_ID")), subscription: inventory.SubscriptionID(k.idAt(at, prefix+"_SUBSCRIPTION_ID"))}}
	}
	return nil
}

// idAt reads an id out of a variable in the same place.
func (k *linker) idAt(at inventory.StoreRef, name string) string {
	at.Name = name
	if v := k.stores.variables[at.Key()]; v != nil && inventory.IsGUID(strings.TrimSpace(v.Value)) {
		return strings.TrimSpace(v.Value)
	}
	return ""
}

// federatedIn tells whether a repository of the uses has a login without a secret already.
func (k *linker) federatedIn(uses []use) bool {
	for _, u := range uses {
		for i := range k.inv.Logins {
			if l := &k.inv.Logins[i]; l.Repository == u.login.Repository && l.Conversion == inventory.ConversionNone && l.Identity.ClientID != "" {
				return true
			}
		}
	}
	return false
}

// placeKey is where a store is, without its name.
func placeKey(ref inventory.StoreRef) string {
	ref.Name = ""
	return ref.Key()
}

// federated looks for identities that trust a repository of the uses already.
func (k *linker) federated(uses []use) []evidence {
	var out []evidence
	seen := map[inventory.RepositoryName]bool{}
	for _, u := range uses {
		repo := k.stores.repo(u.repository)
		if repo == nil || seen[repo.Name] {
			continue
		}
		seen[repo.Name] = true
		for _, id := range k.inv.Identities {
			if name, ok := trusts(id, repo); ok {
				out = append(out, evidence{rule: ruleFederated, app: id.AppID, tenant: id.TenantID,
					why: fmt.Sprintf("federated credential %s of %s names %s", name, id.DisplayName, repo.Name)})
			}
		}
	}
	return out
}

// trusts tells which federated credential of an identity names a repository.
func trusts(id inventory.Identity, repo *inventory.Repository) (string, bool) {
	for _, f := range id.FederatedCredentials {
		if _, ok := subject.Names(*repo, f); ok {
			return f.Name, true
		}
	}
	return "", false
}

// decide takes the one identity that all evidence agrees on.
func decide(object string, found []evidence, line string) link {
	if len(found) == 0 {
		return link{problem: &Reason{Code: "no-mapping", Object: object,
			Message: "the identity behind " + object + " is not known: its value cannot be read, no client id beside it is readable, and no federated credential names the repository",
			Next:    []string{"unsecret identify ranks the applications that it may be, with the evidence", "add under mapping in the configuration: " + line, "then scan and plan again"}}}
	}
	apps := map[inventory.AppID]bool{}
	var why []string
	for _, e := range found {
		apps[e.app] = true
		if !slices.Contains(why, e.why) {
			why = append(why, e.why)
		}
	}
	if len(apps) > 1 {
		return link{candidates: slices.Sorted(maps.Keys(apps)), problem: &Reason{Code: "ambiguous-identity", Object: object,
			Message: "the identity behind " + object + " is not certain: " + strings.Join(why, "; "),
			Next:    ambiguousNext(found, line)}}
	}
	out := link{app: found[0].app, rule: found[0].rule, because: why[0]}
	for _, e := range found {
		out.tenant = cmp.Or(out.tenant, e.tenant)
		out.subscription = cmp.Or(out.subscription, e.subscription)
	}
	return out
}

func ambiguousNext(found []evidence, line string) []string {
	if found[0].rule == ruleFederated {
		return []string{"unsecret identify shows the evidence for each of them", "say which one it is, under mapping in the configuration: " + line, "then plan again"}
	}
	return []string{"find out which application the secret belongs to, correct the mapping or the ids beside the login, then scan and plan again"}
}

// mappingLine is the line of configuration that would name a store's identity.
func mappingLine(ref inventory.StoreRef) string {
	place := "repository: " + string(ref.Repository)
	switch ref.Level {
	case inventory.LevelOrganization:
		place = "organization: " + ref.Owner
	case inventory.LevelEnvironment:
		place += ", environment: " + ref.Environment
	}
	return fmt.Sprintf("- {%s, secret: %s, appId: <client id>, tenantId: <tenant id>, subscriptionId: <subscription id>}", place, ref.Name)
}
