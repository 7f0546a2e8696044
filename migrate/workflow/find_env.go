package workflow

import (
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// envKinds are the environment variables that carry an Azure credential to a program, by what reads them: the Terraform
// providers and backend (ARM_), the Azure SDKs' EnvironmentCredential (AZURE_), Ansible's azure.azcollection (AZURE_SECRET),
// azcopy and the storage clients.
var envKinds = map[string]inventory.Kind{
	"ARM_CLIENT_SECRET":                   inventory.KindTerraformEnv,
	"ARM_CLIENT_CERTIFICATE":              inventory.KindTerraformEnv,
	"ARM_CLIENT_CERTIFICATE_PASSWORD":     inventory.KindTerraformEnv,
	"AZURE_CLIENT_SECRET":                 inventory.KindSDKEnv,
	"AZURE_SECRET":                        inventory.KindSDKEnv,
	"AZURE_CLIENT_CERTIFICATE_PASSWORD":   inventory.KindSDKEnv,
	"AZCOPY_SPA_CLIENT_SECRET":            inventory.KindSDKEnv,
	"AAD_SERVICE_PRINCIPAL_CLIENT_SECRET": inventory.KindSDKEnv,
	"ARM_ACCESS_KEY":                      inventory.KindStorageKey,
	"ARM_SAS_TOKEN":                       inventory.KindStorageKey,
	"AZURE_STORAGE_KEY":                   inventory.KindStorageKey,
	"AZURE_STORAGE_ACCESS_KEY":            inventory.KindStorageKey,
	"AZURE_STORAGE_ACCOUNT_KEY":           inventory.KindStorageKey,
	"AZURE_STORAGE_CONNECTION_STRING":     inventory.KindStorageKey,
	"AZURE_STORAGE_SAS_TOKEN":             inventory.KindStorageKey,
	"AZURE_STATIC_WEB_APPS_API_TOKEN":     inventory.KindStaticWebAppsToken,
	"SWA_CLI_DEPLOYMENT_TOKEN":            inventory.KindStaticWebAppsToken,
	"AZURE_FUNCTIONAPP_PUBLISH_PROFILE":   inventory.KindPublishProfile,
	"AZURE_WEBAPP_PUBLISH_PROFILE":        inventory.KindPublishProfile,
	"AZURE_PUBLISH_PROFILE":               inventory.KindPublishProfile,
	"PUBLISH_PROFILE":                     inventory.KindPublishProfile,
	"AZURE_CREDENTIALS":                   inventory.KindCredsEnv,
}

// envLogins looks for credentials in one env mapping.
func (f *finder) envLogins(env *yaml.Node, j *job, s *step) {
	for e := range each(env) {
		value := text(e.value)
		if value == "" {
			continue
		}
		kind, ok := f.envKind(e.key.Value, value, j, s)
		if !ok {
			continue
		}
		n := f.atKey(kind, e, j, s)
		if n == nil {
			continue
		}
		in := scope{f.analysis, f.file, j, s}
		n.Secrets = in.secretsOf(value, roleOfEnv(n.Kind))
		n.Identity = in.envIdentity(e.key.Value)
		switch n.Kind {
		case inventory.KindCredsEnv:
			f.composed(n, in, value)
		case inventory.KindStorageKey, inventory.KindStaticWebAppsToken:
			f.dropFetched(n, in, value)
		}
	}
}

// secretsOf is secrets, never nil.
func (s scope) secretsOf(value, role string) []inventory.SecretUse {
	if list := s.secrets(value, role); list != nil {
		return list
	}
	return []inventory.SecretUse{}
}

// envKind tells what an environment variable is.
func (f *finder) envKind(name, value string, j *job, s *step) (inventory.Kind, bool) {
	if strings.EqualFold(name, "ARM_USE_OIDC") && strings.EqualFold(strings.TrimSpace(value), "true") {
		return inventory.KindTerraformEnv, true
	}
	kind, ok := envKinds[strings.ToUpper(name)]
	if ok && (kind == inventory.KindTerraformEnv || kind == inventory.KindSDKEnv) && takesJSONApart(value) {
		return inventory.KindCredsJSONParts, true
	}
	return kind, ok
}

// takesJSONApart tells whether a value reads the client secret out of a credentials JSON with fromJSON.
func takesJSONApart(value string) bool {
	if !strings.Contains(value, "${{") || !containsFold(value, "fromjson") {
		return false
	}
	for _, r := range refsOf(value) {
		if roleOfProperty(r.property) == roleClientSecret {
			return true
		}
	}
	return false
}

func roleOfEnv(k inventory.Kind) string {
	switch k {
	case inventory.KindTerraformEnv, inventory.KindSDKEnv, inventory.KindCredsJSONParts:
		return roleClientSecret
	case inventory.KindCredsEnv:
		return roleCredentials
	}
	return roleOther
}

// envIdentity reads the ids that stand beside a client secret, as far as the same scope has them.
func (s scope) envIdentity(name string) inventory.IdentityHint {
	prefix := "AZURE_"
	if strings.HasPrefix(strings.ToUpper(name), "ARM_") {
		prefix = "ARM_"
	}
	read := func(names ...string) string {
		for _, n := range names {
			if v, in, ok := s.env(prefix + n); ok {
				return in.readable(v)
			}
		}
		return ""
	}
	hint := inventory.IdentityHint{ClientID: read("CLIENT_ID"), TenantID: read("TENANT_ID", "TENANT"), SubscriptionID: read("SUBSCRIPTION_ID")}
	if v, _, ok := s.env(prefix + "ENVIRONMENT"); ok && containsAny(strings.ToLower(v), otherClouds) { // many name a stage so
		hint.Cloud = strings.TrimSpace(v)
	}
	return hint
}

// readable is plain, following an env variable to what it holds.
func (s scope) readable(value string) string {
	for range maxFlow {
		r, ok := single(value)
		if !ok || r.context != "env" || r.property != "" {
			break
		}
		next, in, ok := s.env(r.name())
		if !ok {
			break
		}
		value, s = next, in
	}
	if value = plain(value); containsFold(value, "fromjson") {
		return "" // a part of a secret JSON is not readable
	}
	return value
}

// publicCloud tells whether the name of a cloud is that of the public one, as azure/login and the Terraform provider spell it.
func publicCloud(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "azurecloud", "public", "azurepubliccloud":
		return true
	}
	return false
}
