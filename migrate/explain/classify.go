package explain

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// The documents that classifications rest on.
const (
	sourceConnect = `Microsoft Learn: "Connect to Azure with an ARM service connection"`
	sourceREST    = "Azure DevOps Services REST API: Service endpoints"
	sourceIssuer  = "Microsoft Learn: convert service connections; the issuer vstoken.dev.azure.com retires on 2027-07-01"
	sourceKeys    = "Microsoft Learn: passwordCredential and keyCredential resource types"
	sourceSAML    = `Microsoft Learn: "servicePrincipal: addTokenSigningCertificate"`
	sourceTrust   = "Microsoft Learn: federatedIdentityCredential resource type"
	sourceSecrets = `GitHub Docs: "Using secrets in GitHub Actions"`
	sourceOutside = "Microsoft Learn: Set secret variables; Manage variable groups"
	sourceLogin   = "the rules of unsecret scan for workflow files"
)

func (in Input) classify(o inventory.Object) Statement {
	switch o.Kind {
	case inventory.ObjectConnection:
		return ClassifyConnection(in.Inventory.Connection(o))
	case inventory.ObjectIdentity:
		return in.classifyIdentity(o)
	case inventory.ObjectCredential:
		return classifyCredential(in.Inventory.Identity(o), in.Inventory.Credential(o))
	case inventory.ObjectFederatedCredential:
		return classifyFederated(in.Inventory.FederatedCredential(o))
	case inventory.ObjectLogin:
		return classifyLogin(in.Inventory.Login(o))
	case inventory.ObjectPipelineSecret:
		s := in.Inventory.PipelineSecret(o)
		return Statement{Claim: outside[s.Kind], Because: []string{s.Reason}, Source: sourceOutside}
	default:
		return in.classifySecret(o)
	}
}

// outside says in words what a credential outside of a connection is.
var outside = map[string]string{
	inventory.PipelineSecretVariable:   "a variable of a pipeline or release that holds a credential, by its name or what reads it",
	inventory.PipelineSecretGroup:      "a variable of a variable group that holds a credential, by its name or what reads it",
	inventory.PipelineSecretVault:      "a variable group whose values come from a key vault: what they are is not told",
	inventory.PipelineSecretSecureFile: "a secure file that holds a credential, by its name",
	inventory.PipelineSecretScript:     "a step that signs in with a stored credential, outside of a connection",
}

// claims say in words what a class of connection is, and which document says so.
var claims = map[inventory.ConnectionClass]struct{ claim, source string }{
	inventory.ClassUnreadable:       {"it cannot be classified: its data is not readable", sourceREST},
	inventory.ClassKeyAutomatic:     {"it stores a client secret of a service principal; Azure DevOps made the application, so a conversion adds the federated credential itself", sourceConnect},
	inventory.ClassKeyManual:        {"it stores a client secret of a service principal; a person made the application, so a conversion needs its federated credential first", sourceConnect},
	inventory.ClassCertificate:      {"it stores a certificate of a service principal; a conversion treats it like one with a key, where the service accepts that", sourceConnect},
	inventory.ClassFederatedEntra:   {"it signs in without a secret (workload identity federation)", sourceConnect},
	inventory.ClassFederatedOld:     {"it signs in without a secret, with the old issuer of Azure DevOps", sourceIssuer},
	inventory.ClassFederatedUnknown: {"it signs in without a secret (workload identity federation), with an issuer that is neither Entra's nor one of Azure DevOps, or not told", sourceConnect},
	inventory.ClassManagedIdentity:  {"it signs in with the managed identity of its agent, without a secret", sourceConnect},
	inventory.ClassPublishProfile:   {"it stores a web app's publish profile, which is no service principal's secret", sourceConnect},
	inventory.ClassAzureOther:       {"it signs in to Azure with a scheme that is not known here, so it may store a credential", sourceREST},
	inventory.ClassAzureClassic:     {"it stores a management certificate or a password of Azure's classic deployment model", sourceREST},
	inventory.ClassRegistryKey: {"it stores a client secret of a service principal; connections to registries are converted only with connections.registry: convert, and where the service accepts that; " +
		"with connections.registry: recreate a new connection takes its place", sourceConnect},
	inventory.ClassRegistryAdmin:      {"it stores the password of an Azure registry's admin user, which is no service principal and cannot be federated", sourceREST},
	inventory.ClassRegistryOther:      {"it stores a user's password of a registry, which is no service principal's secret", sourceREST},
	inventory.ClassKubernetesToken:    {"it stores a service account's token, which is valid in the cluster and no credential of Azure", sourceREST},
	inventory.ClassKubernetesConfig:   {"it stores a kubeconfig, with whatever credential of the cluster is in it", sourceREST},
	inventory.ClassKubernetesAzure:    {"it was made through an Azure subscription, and stores a service account's token, which is valid in the cluster and no credential of Azure", sourceREST},
	inventory.ClassGitHubToken:        {"it stores a personal access token of GitHub, which is no credential of Azure", sourceREST},
	inventory.ClassGitHubApp:          {"it signs in to GitHub by an app or OAuth, which is no credential of Azure", sourceREST},
	inventory.ClassGeneric:            {"it stores a user and password of something that its data does not tell; it can be a service principal's", sourceREST},
	inventory.ClassOtherSecret:        {"it stores a credential that is no service principal's; workload identity federation does not apply to it as it is", sourceREST},
	inventory.ClassOtherNoSecret:      {"it stores no secret", sourceREST},
	inventory.ClassOtherServicePrinc:  {"it stores a client secret of a service principal; connections of this type are not converted by this program", sourceREST},
	inventory.ClassOtherUnknownScheme: {"its type's scheme is not known here, so it may store a credential of any kind", sourceREST},
}

// Claim says in words what a class of connection is, and names the document that says so.
func Claim(class inventory.ConnectionClass) (claim, source string) {
	return claims[class].claim, claims[class].source
}

// ClassifyConnection says what a service connection is and what of it decides that.
func ClassifyConnection(c inventory.Connection) Statement {
	class, _ := inventory.ClassifyConnection(c)
	s := Statement{}
	s.Claim, s.Source = Claim(class)
	if class == inventory.ClassUnreadable {
		s.Because = []string{"Azure DevOps answered with its name and without its data, which is what it does for callers without the Reader role on the connection"}
		return s
	}
	add := func(name, value string) {
		if value == "" {
			value = "empty"
		}
		s.Because = append(s.Because, name+" "+value)
	}
	add("type", c.Type)
	add("scheme", c.Scheme)
	switch class {
	case inventory.ClassKeyAutomatic, inventory.ClassKeyManual, inventory.ClassCertificate, inventory.ClassRegistryKey, inventory.ClassOtherServicePrinc:
		add("authentication type", c.AuthenticationType)
		add("creation mode", c.CreationMode)
	case inventory.ClassFederatedEntra, inventory.ClassFederatedOld, inventory.ClassFederatedUnknown:
		add("issuer", c.Issuer)
	case inventory.ClassRegistryAdmin, inventory.ClassRegistryOther:
		add("registry type", c.Variant)
		add("registry", c.LoginServer)
	case inventory.ClassKubernetesToken, inventory.ClassKubernetesConfig, inventory.ClassKubernetesAzure:
		add("authorization type", c.Variant)
	}
	return s
}

func (in Input) classifyIdentity(o inventory.Object) Statement {
	id := in.Inventory.Identity(o)
	passwords, certificates, signing := 0, 0, 0
	for _, c := range id.Credentials {
		switch {
		case id.SAMLSigning(c):
			signing++
		case c.Type == inventory.CredentialPassword:
			passwords++
		default:
			certificates++
		}
	}
	s := Statement{Claim: "an application without a stored credential", Source: sourceKeys}
	if passwords+certificates > 0 {
		s.Claim = "an application with stored credentials"
	}
	s.Because = []string{fmt.Sprintf("%s, %s, %s", count(passwords, "password"), count(certificates, "certificate"), count(len(id.FederatedCredentials), "federated credential"))}
	if signing > 0 {
		s.Because = append(s.Because, count(signing, "entry", "entries")+" for SAML signing, which are never touched")
	}
	if n := len(in.Inventory.ConnectionsOf(id.AppID)); n > 0 {
		s.Because = append(s.Because, count(n, "connection names it", "connections name it"))
	}
	return s
}

func count(n int, forms ...string) string {
	switch {
	case n == 1:
		return "1 " + forms[0]
	case len(forms) > 1:
		return fmt.Sprintf("%d %s", n, forms[1])
	}
	return fmt.Sprintf("%d %ss", n, forms[0])
}

func classifyCredential(id inventory.Identity, c inventory.Credential) Statement {
	on := "the application"
	if c.On == inventory.OnServicePrincipal {
		on = "the service principal"
	}
	s := Statement{Claim: fmt.Sprintf("a %s on %s", c.Type, on), Source: sourceKeys,
		Because: []string{"Microsoft Graph lists it there", fmt.Sprintf("it is valid from %s to %s", day(c.Start), day(c.End))}}
	if id.SAMLSigning(c) {
		s.Claim, s.Source = "it belongs to a certificate that signs SAML tokens, and is never touched", sourceSAML
		s.Because = append(s.Because, "usage Sign, or the dates or the key id of an entry with usage Sign")
	}
	return s
}

func classifyFederated(f inventory.FederatedCredential) Statement {
	s := Statement{Claim: "a federated credential: it trusts tokens, and stores nothing", Source: sourceTrust, Because: []string{"issuer " + f.Issuer}}
	if f.Expression != "" {
		s.Claim = "a flexible federated credential: it trusts tokens by an expression, and stores nothing"
		s.Because = append(s.Because, "expression "+f.Expression)
		return s
	}
	if inventory.OldDevOpsIssuer(f.Issuer) {
		s.Claim, s.Source = "a federated credential for the old issuer of Azure DevOps", sourceIssuer
	}
	s.Because = append(s.Because, "subject "+f.Subject)
	return s
}

// conversions say in words how a login can be converted.
var conversions = map[inventory.Conversion]string{
	inventory.ConversionNone:      "it uses no stored credential",
	inventory.ConversionAutomatic: "it can be converted by edits in this file alone",
	inventory.ConversionAssisted:  "it can be converted by edits in this and other files of the repository",
	inventory.ConversionManual:    "it is converted by a person",
}

func classifyLogin(l inventory.Login) Statement {
	s := Statement{Claim: fmt.Sprintf("a login of kind %s; %s", l.Kind, conversions[l.Conversion]), Source: sourceLogin}
	if l.Reason != "" {
		s.Because = append(s.Because, l.Reason)
	}
	for _, u := range l.Secrets {
		text := "it reads " + u.Expression
		if u.Role != "" {
			text += " as " + u.Role
		}
		s.Because = append(s.Because, text)
	}
	return s
}

func (in Input) classifySecret(o inventory.Object) Statement {
	secret := in.Inventory.Secret(o)
	s := Statement{Claim: "a GitHub secret; what it holds follows from who reads it, since its value cannot be read", Source: sourceSecrets}
	for _, r := range in.Inventory.Readers(secret) {
		l := in.Inventory.Login(r)
		for _, u := range l.Secrets {
			if strings.EqualFold(u.Name, secret.Name) && u.Role != "" {
				s.Because = append(s.Because, fmt.Sprintf("%s reads it as %s", l.ID, u.Role))
			}
		}
	}
	if len(s.Because) == 0 {
		s.Because = []string{"no login that was found reads it"}
	}
	return s
}
