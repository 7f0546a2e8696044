package workflow

import (
	"iter"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

func isRegistryLogin(c *script.Command) bool {
	switch c.Name {
	case "docker", "podman", "buildah", "oras", "nerdctl", "skopeo":
		return len(c.Words) > 1 && c.Words[1].Text == "login"
	case "helm":
		return len(c.Words) > 2 && c.Words[1].Text == "registry" && c.Words[2].Text == "login"
	}
	return isPullSecret(c)
}

// isPullSecret recognises the command that stores a registry's password in a cluster, which pulls images with it.
func isPullSecret(c *script.Command) bool {
	return c.Is("kubectl", "create", "secret", "docker-registry") || c.Is("oc", "create", "secret", "docker-registry")
}

// registryLogin recognises a login to an Azure container registry with a user name and password.
func (f *finder) registryLogin(s *step, r *runScript, c *script.Command) {
	password, ok := c.Flag("-p", "--password", "--docker-password")
	if !ok && !c.Has("--password-stdin") {
		return
	}
	user, _ := c.Flag("-u", "--username", "--docker-username")
	whole := r.text[c.Start:c.End]
	if c.Name != "az" && !f.isACR(s, r, c, whole) {
		return
	}
	if !ok { // the password comes through a pipe: read what stands before it on its line
		from := strings.LastIndexByte(r.text[:c.Start], '\n') + 1
		password = script.Word{Start: from, End: c.Start}
	}
	kind := inventory.KindDockerACRAdmin
	names := f.scriptSecrets(s, r, r.original(user), roleClientID)
	secrets := f.scriptSecrets(s, r, r.original(password), roleClientSecret)
	if len(secrets) == 0 {
		return
	}
	if isServicePrincipal(names, secrets, r.original(user), r.original(password)) {
		kind = inventory.KindDockerACRSP
	}
	if n := f.command(kind, s, r, c, password, roleOfRegistry(kind)); n != nil {
		n.registryUser = user
		if kind == inventory.KindDockerACRSP {
			n.Identity.ClientID = f.wordValue(s, r, user)
			n.Identity.Cloud = cloudOfHost(whole)
		}
	}
}

func roleOfRegistry(k inventory.Kind) string {
	if k == inventory.KindDockerACRSP {
		return roleClientSecret
	}
	return roleOther
}

// imageLogins looks at the container and the services of a job: their environments, and the user name and password with which GitHub pulls
// their images before the first step.
func (f *finder) imageLogins(j *job) {
	for image := range j.images() {
		f.imageLogin(j, image)
	}
}

// images visits the container and the services of a job.
func (j *job) images() iter.Seq[*yaml.Node] {
	return func(yield func(*yaml.Node) bool) {
		if j.container != nil && !yield(j.container) {
			return
		}
		for service := range each(get(j.node, "services")) {
			if !yield(service.value) {
				return
			}
		}
	}
}

func (f *finder) imageLogin(j *job, image *yaml.Node) {
	f.envLogins(get(image, "env"), j, nil)
	in := scope{f.analysis, f.file, j, nil}
	credentials := get(image, "credentials")
	password, ok := lookup(credentials, "password")
	if !ok || !in.namesACR(text(get(image, "image")), 0) {
		return
	}
	n := f.registryPassword(in, password, text(get(credentials, "username")), text(get(image, "image")))
	if n != nil {
		n.image = true
	}
}

// registryPassword makes a finding of the entry with the password of a registry.
func (f *finder) registryPassword(in scope, password entry, user, host string) *finding {
	value := text(password.value)
	kind := inventory.KindDockerACRAdmin
	if f.servicePrincipal(in, user, value) {
		kind = inventory.KindDockerACRSP
	}
	n := f.withSecrets(f.atKey(kind, password, in.job, in.step), in, password, roleOfRegistry(kind))
	if n == nil || f.dropFetched(n, in, value) {
		return nil
	}
	if kind == inventory.KindDockerACRSP {
		n.Identity.ClientID = in.readable(user)
		n.Identity.Cloud = cloudOfHost(in.readable(host))
	}
	return n
}

// servicePrincipal tells whether a user name and a password, as they stand in the file, are those of a service principal.
func (f *finder) servicePrincipal(in scope, user, password string) bool {
	return isServicePrincipal(in.secrets(user, roleClientID), in.secrets(password, roleClientSecret), user, password)
}

// cloudOfHost tells the cloud of a registry by its host, where that is not the public one (entra-docs: national clouds).
func cloudOfHost(host string) string {
	switch {
	case containsFold(host, ".azurecr.us"):
		return "azureusgovernment"
	case containsFold(host, ".azurecr.cn"):
		return "azurechinacloud"
	}
	return ""
}

// inputDefault gives the default of an input of an action, or of a workflow that is called or dispatched.
func (f *file) inputDefault(name string) string {
	for _, inputs := range []*yaml.Node{get(f.root, "inputs"), get(f.call, "inputs"), get(get(get(f.root, "on"), "workflow_dispatch"), "inputs")} {
		if e, ok := lookup(inputs, name); ok {
			return text(get(e.value, "default"))
		}
	}
	return ""
}

// isACR tells whether a registry login goes to an Azure registry: by its host, or by an environment variable that holds one.
func (f *finder) isACR(s *step, r *runScript, c *script.Command, whole string) bool {
	if containsFold(whole, "azurecr") {
		return true
	}
	in := scope{f.analysis, f.file, s.job, s}
	if w, ok := c.Flag("--docker-server"); ok {
		return in.namesACR(r.original(w), 0)
	}
	for _, w := range c.Words[1:] {
		if strings.HasPrefix(w.Text, "-") {
			continue
		}
		if in.namesACR(r.original(w), 0) {
			return true
		}
	}
	return false
}

// namesACR tells whether a value is, or reads, something that names an Azure registry.
func (s scope) namesACR(value string, depth int) bool {
	if containsFold(value, "azurecr.") {
		return true
	}
	if depth > maxFlow {
		return false
	}
	for _, name := range variables(value) {
		if v, in, ok := s.env(name); ok && in.namesACR(v, depth+1) {
			return true
		}
	}
	for _, r := range refsOf(value) {
		if r.context == "env" {
			if v, in, ok := s.env(r.name()); ok && in.namesACR(v, depth+1) {
				return true
			}
		}
		if r.context == "inputs" && containsFold(s.file.inputDefault(r.name()), "azurecr.") {
			return true
		}
		if (r.context == "secrets" || r.context == "vars" || r.context == "env") && strings.Contains(tokenized(r.text), "_acr_") {
			return true
		}
	}
	return false
}

// tokenized puts a name between underscores, its words separated by one.
func tokenized(name string) string {
	return "_" + strings.Map(func(c rune) rune {
		if c == '.' || c == '-' || c == ' ' {
			return '_'
		}
		return c
	}, strings.ToLower(name)) + "_"
}

// isServicePrincipal tells whether a user name and password are those of a service principal: a token is told by its user name, and else by
// what the secrets are called.
func isServicePrincipal(user, password []inventory.SecretUse, literal, secret string) bool {
	if takesJSONApart(secret) {
		return true
	}
	for _, r := range refsOf(literal) {
		user = append(user, inventory.SecretUse{Name: r.text})
	}
	for _, r := range refsOf(secret) {
		password = append(password, inventory.SecretUse{Name: r.text})
	}
	for _, u := range user {
		if n := tokenized(u.Name); containsAny(n, []string{"client_id", "clientid", "app_id", "appid", "sp_id", "_sp_", "principal", "application_id", "azure_id"}) {
			return true
		}
	}
	for _, p := range password {
		if n := tokenized(p.Name); containsAny(n, []string{"client_secret", "clientsecret", "_sp_", "principal", "app_secret"}) {
			return true
		}
	}
	return inventory.IsGUID(literal)
}
