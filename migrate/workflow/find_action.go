package workflow

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// actionLogins looks at the inputs of a step that uses an action.
func (f *finder) actionLogins(s *step) {
	if s.action == "azure/login" {
		f.azureLogin(s)
		return
	}
	for _, sink := range sinks[s.action] {
		f.sinkLogin(s, sink)
	}
	if registryActions[s.action] {
		f.registryAction(s)
	}
}

// azureLogin reads a step of azure/login. By its LoginConfig.ts, creds is ignored as soon as one of
// client-id, tenant-id and subscription-id is not empty, and client-secret is no input at all.
func (f *finder) azureLogin(s *step) {
	creds, hasCreds := s.input("creds")
	secret, hasSecret := s.input("client-secret")
	id, hasID := s.input("client-id")
	in := scope{f.analysis, f.file, s.job, s}
	var n *finding
	switch {
	case hasCreds && (hasID || s.has("tenant-id") || s.has("subscription-id")):
		n = f.withSecrets(f.atKey(inventory.KindAzureLoginMixed, creds, s.job, s), in, creds, roleCredentials)
	case hasCreds:
		n = f.withSecrets(f.atKey(inventory.KindAzureLoginCreds, creds, s.job, s), in, creds, roleCredentials)
		if n != nil {
			f.composed(n, in, text(creds.value))
		}
	case hasSecret:
		n = f.withSecrets(f.atKey(inventory.KindAzureLoginMixed, secret, s.job, s), in, secret, roleClientSecret)
	case hasID && !strings.EqualFold(text(paramValue(s, "auth-type")), "IDENTITY"): // which is the runner's own managed identity
		n = f.atKey(inventory.KindAzureLoginOIDC, id, s.job, s)
	}
	if n == nil {
		return
	}
	f.loginIdentity(n, in, s)
}

// input gives an input that is not empty.
func (s *step) input(name string) (entry, bool) {
	e, ok := s.param(name)
	return e, ok && strings.TrimSpace(text(e.value)) != ""
}

func (s *step) has(name string) bool { _, ok := s.input(name); return ok }

func (f *finder) withSecrets(n *finding, in scope, e entry, role string) *finding {
	if n != nil {
		n.Secrets = rolesByName(in.secretsOf(text(e.value), role))
	}
	return n
}

// rolesByName tells apart, by their names, several secrets that a credential is put together from.
func rolesByName(list []inventory.SecretUse) []inventory.SecretUse {
	for i, use := range list {
		if len(list) == 1 || use.Role != roleCredentials && use.Role != roleClientSecret {
			continue
		}
		if id := roleOfName(use.Name); id != "" {
			list[i].Role = id
		} else if strings.HasSuffix(squash(use.Name), "clientsecret") || namesClientSecret(use.Name) {
			list[i].Role = roleClientSecret
		}
	}
	return list
}

// loginIdentity takes the ids that the step itself names.
func (f *finder) loginIdentity(n *finding, in scope, s *step) {
	set := func(to *string, name string) {
		if e, ok := s.input(name); ok {
			*to = in.readable(text(e.value))
		}
	}
	set(&n.Identity.ClientID, "client-id")
	set(&n.Identity.TenantID, "tenant-id")
	set(&n.Identity.SubscriptionID, "subscription-id")
	if e, ok := s.input("environment"); ok && !publicCloud(text(e.value)) {
		n.Identity.Cloud = strings.ToLower(plain(text(e.value)))
		if n.Identity.Cloud == "" {
			n.Identity.Cloud = text(e.value)
		}
	}
}

// credentialsJSON is the form of azure/login's creds input.
type credentialsJSON struct {
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
}

// parseComposed reads a creds value that is written out as JSON with expressions in its strings.
func parseComposed(value string) (credentialsJSON, bool) {
	var c credentialsJSON
	if !strings.HasPrefix(strings.TrimSpace(value), "{") {
		return c, false
	}
	// Strings of an expression may hold quotes of their own, so each expression becomes a name first.
	segs := segments(value)
	if len(segs) > maxNames {
		return c, false // no JSON of four members, and each is looked for in all of them
	}
	var b strings.Builder
	at := 0
	mark := func(i int) string { return "~~" + strconv.Itoa(i) + "~~" }
	for i, s := range segs {
		b.WriteString(value[at:s.start])
		b.WriteString(mark(i))
		at = s.end
	}
	b.WriteString(value[at:])
	if err := json.Unmarshal([]byte(b.String()), &c); err != nil {
		return c, false
	}
	back := func(v *string) {
		for i, s := range segs {
			*v = strings.ReplaceAll(*v, mark(i), value[s.start:s.end])
		}
	}
	for _, v := range []*string{&c.ClientID, &c.ClientSecret, &c.TenantID, &c.SubscriptionID} {
		back(v)
	}
	return c, true
}

// composed reads a value that is put together as JSON, in its own place or in an environment variable, and tells where it stands.
func (s scope) composed(value string) (c credentialsJSON, in scope, ok bool) {
	if c, ok = parseComposed(value); ok {
		return c, s, true
	}
	r, single := single(value)
	if !single || r.context != "env" || r.property != "" {
		return c, s, false
	}
	if value, in, ok = s.env(r.name()); !ok {
		return c, s, false
	}
	c, ok = parseComposed(value)
	return c, in, ok
}

// composed gives the secrets of a composed JSON their roles, and the identity that it names.
func (f *finder) composed(n *finding, in scope, value string) {
	c, in, ok := in.composed(value)
	if !ok {
		return
	}
	n.Secrets = []inventory.SecretUse{}
	for _, part := range []struct {
		value, role string
		to          *string
	}{
		{c.ClientID, roleClientID, &n.Identity.ClientID},
		{c.ClientSecret, roleClientSecret, nil},
		{c.TenantID, roleTenantID, &n.Identity.TenantID},
		{c.SubscriptionID, roleSubscriptionID, &n.Identity.SubscriptionID},
	} {
		n.Secrets = append(n.Secrets, in.secrets(part.value, part.role)...)
		if part.to != nil {
			*part.to = in.readable(part.value)
		}
	}
}
