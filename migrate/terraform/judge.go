package terraform

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// The first versions that sign in with OIDC by themselves: hashicorp/terraform-provider-azurerm#16555 (3.7.0), hashicorp/terraform-provider-azuread
// CHANGELOG.md (2.23.0), Azure/terraform-provider-azapi#240 (1.3.0), and for the backend hashicorp/terraform#30936 (Terraform 1.2.0).
var firstOIDC = map[string]version{"azurerm": {3, 7, 0}, "azuread": {2, 23, 0}, "azapi": {1, 3, 0}, "terraform": {1, 2, 0}}

// withoutOIDC are the providers that read the same variables and know no OIDC (hashicorp/terraform-provider-azurestack, website/docs/index.html.markdown: it
// signs in by the Azure CLI, a client secret or a client certificate, and has no argument for a token).
var withoutOIDC = map[string]bool{"azurestack": true}

// Question is what is asked of the code of a repository: whether what runs it can sign in with OIDC by the environment alone.
type Question struct {
	// Directories are those in which Terraform runs, inside the repository. Nil: that is not known, and all code counts.
	Directories []string
	// Sets tells whether the pipeline itself may give an input variable a value. Nil: it may.
	Sets func(variable string) bool
}

// Remark is one thing that the code says.
type Remark struct {
	File    string
	Line    int
	Message string // what stands there and what it does, with file and line
	Change  string // what to write instead, with file and line
}

// Answer is what the code says about a sign-in with OIDC by the environment.
type Answer struct {
	Against []Remark // with these it would fail, or go on using a stored credential
	Doubts  []Remark // these a person has to look at
}

// Judge answers a question.
func (c *Code) Judge(q Question) Answer {
	j := &judge{Code: c, question: q}
	considered := c.considered(q.Directories)
	for _, m := range considered {
		for _, b := range m.blocks {
			j.block(m, b)
		}
		j.versions(m)
	}
	for _, s := range c.settings {
		if !isVariables(s.at.file) || !c.declares("container_name") {
			j.attributes("the backend", s.attributes)
		}
	}
	for _, u := range c.Unread {
		if isCode(u.Path) && !slices.ContainsFunc(considered, func(m *module) bool { return m.dir == path.Dir(u.Path) }) {
			continue
		}
		name := u.Path
		if name == "" {
			name = "the repository's Terraform code"
		}
		j.doubt(place{u.Path, 0}, name+" could not be read ("+u.Reason+")", "see that "+name+" sets neither client_secret nor use_oidc = false")
	}
	sortRemarks(j.answer.Against)
	sortRemarks(j.answer.Doubts)
	return j.answer
}

// declares tells whether any module has an input variable.
func (c *Code) declares(variable string) bool {
	for _, m := range c.modules {
		if _, ok := m.variables[variable]; ok {
			return true
		}
	}
	return false
}

func sortRemarks(list []Remark) {
	slices.SortStableFunc(list, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
}

// considered are the modules that count: those of the directories, and what they call by a path, in order.
func (c *Code) considered(directories []string) []*module {
	wanted := map[string]bool{}
	elsewhere := func(dir string) bool { return c.modules[path.Clean(dir)] == nil }
	if directories == nil || slices.ContainsFunc(directories, elsewhere) {
		directories = slices.Collect(maps.Keys(c.modules))
	}
	for queue := slices.Clone(directories); len(queue) > 0; queue = queue[1:] {
		dir := path.Clean(queue[0])
		if m := c.modules[dir]; m != nil && !wanted[dir] {
			wanted[dir] = true
			queue = append(queue, m.children...)
		}
	}
	var out []*module
	for _, dir := range slices.Sorted(maps.Keys(wanted)) {
		out = append(out, c.modules[dir])
	}
	return out
}

type judge struct {
	*Code
	question Question
	answer   Answer
}

func (j *judge) against(at place, message, change string) {
	j.answer.Against = append(j.answer.Against, Remark{at.file, at.line, message, change})
}

func (j *judge) doubt(at place, message, change string) {
	j.answer.Doubts = append(j.answer.Doubts, Remark{at.file, at.line, message, change})
}

func (j *judge) block(m *module, b block) {
	switch b.kind {
	case "provider":
		provider := m.provider(b.provider)
		if withoutOIDC[provider] {
			j.against(b.at, fmt.Sprintf("%s has %s, which knows no OIDC", b.at, b.name), fmt.Sprintf("%s: %s needs its client secret; leave it and convert the other logins", b.at, b.name))
			return
		}
		if _, ok := firstOIDC[provider]; !ok {
			return
		}
	case "backend":
		if b.provider == "remote" {
			j.hosted(b)
			return
		}
		if b.provider != "azurerm" {
			return
		}
	case "cloud":
		j.hosted(b)
		return
	}
	j.attributes(b.name, b.attributes)
}

// hosted tells of runs that need not happen where the pipeline's environment is (HashiCorp's documentation: Dynamic Provider Credentials).
func (j *judge) hosted(b block) {
	j.doubt(b.at, fmt.Sprintf("%s has %s, so the runs may happen at HCP Terraform, where the pipeline's environment does not reach", b.at, b.name),
		fmt.Sprintf("%s: see where the runs happen; where it is HCP Terraform, use its dynamic provider credentials (TFC_AZURE_PROVIDER_AUTH)", b.at))
}

// attributes looks at what a block says of the sign-in. A client certificate and a client secret go before OIDC, OIDC goes before a managed
// identity (hashicorp/go-azure-sdk: sdk/auth, NewAuthorizerFromCredentials).
func (j *judge) attributes(owner string, list map[string]attribute) {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		a := list[name]
		v := j.resolve(a)
		switch name {
		case "client_secret", "client_secret_file_path", "client_certificate", "client_certificate_path":
			if !v.empty() {
				j.against(a.at, fmt.Sprintf("%s gives %s %s, which goes before OIDC", a.at, owner, a.assignment()),
					fmt.Sprintf("%s: take out %s", a.at, a.assignment()))
			}
		case "use_oidc":
			switch {
			case v.known && v.text == "true", v.empty():
			case v.known:
				j.against(a.at, fmt.Sprintf("%s gives %s %s, which goes before ARM_USE_OIDC", a.at, owner, a.assignment()),
					fmt.Sprintf("%s: write use_oidc = true in place of %s", a.at, a.assignment()))
			default:
				j.doubt(a.at, fmt.Sprintf("%s gives %s %s, whose value is not known", a.at, owner, a.assignment()),
					fmt.Sprintf("%s: write use_oidc = true in place of %s, or see that it is true", a.at, a.assignment()))
			}
		case "use_msi":
			if !v.known || v.text == "true" {
				j.doubt(a.at, fmt.Sprintf("%s gives %s %s, so without a token it would sign in as the machine's managed identity", a.at, owner, a.assignment()),
					fmt.Sprintf("%s: take out %s", a.at, a.assignment()))
			}
		case "client_id", "client_id_file_path":
			if !v.empty() {
				j.doubt(a.at, fmt.Sprintf("%s gives %s %s, which need not be the identity that the environment names", a.at, owner, a.assignment()),
					fmt.Sprintf("%s: see that %s is the identity that the login names, or take it out", a.at, a.assignment()))
			}
		}
	}
}

// resolve gives the value of an attribute. One that is an input variable has a value where all that can set it agree.
func (j *judge) resolve(a attribute) value {
	if a.variable == "" {
		return a.value
	}
	if j.question.Sets == nil || j.question.Sets(a.variable) {
		return value{}
	}
	var declared value
	if m := j.modules[path.Dir(a.at.file)]; m != nil {
		declared = m.variables[a.variable]
	}
	for _, given := range j.values[a.variable] {
		if given != declared {
			return value{}
		}
	}
	return declared
}

// provider is what a block's name stands for.
func (m *module) provider(name string) string {
	if p, ok := m.renamed[name]; ok {
		return p
	}
	return name
}

// versions looks for pins below the first version that knows OIDC. What the lock file chose goes before what the constraints allow.
func (j *judge) versions(m *module) {
	for _, n := range m.needs {
		if _, locked := m.locked[n.provider]; !locked {
			j.version(n, n.provider, fmt.Sprintf("provider %q to version", n.provider))
		}
		if withoutOIDC[n.provider] && !slices.ContainsFunc(m.blocks, func(b block) bool { return b.kind == "provider" && m.provider(b.provider) == n.provider }) {
			j.against(n.at, fmt.Sprintf("%s needs provider %q, which knows no OIDC", n.at, n.provider), fmt.Sprintf("%s: leave the client secret of provider %q, and convert the other logins", n.at, n.provider))
		}
	}
	for _, b := range m.blocks {
		p := m.provider(b.provider)
		if _, locked := m.locked[p]; b.kind == "provider" && !locked {
			if a, ok := b.attributes["version"]; ok {
				j.version(need{p, a.value.text, a.at}, p, fmt.Sprintf("provider %q to version", p))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.locked)) {
		n := m.locked[name]
		least, ok := firstOIDC[name]
		if !ok {
			continue
		}
		if yes, readable := reaches(n.text, least); readable && !yes {
			j.against(n.at, fmt.Sprintf("%s locks provider %q at version %s, and OIDC came with %s", n.at, name, n.text, least),
				fmt.Sprintf("%s: allow version %s or later of provider %q in required_providers, run terraform init -upgrade, and commit the lock file", n.at, least, name))
		}
	}
	if !slices.ContainsFunc(m.blocks, func(b block) bool { return b.kind != "provider" && b.provider == "azurerm" }) {
		return
	}
	for _, n := range m.core {
		j.version(n, "terraform", "Terraform to version")
	}
}

func (j *judge) version(n need, provider, what string) {
	least, ok := firstOIDC[provider]
	if !ok {
		return
	}
	if yes, readable := reaches(n.text, least); readable && !yes {
		name := "version"
		if provider == "terraform" {
			name = "required_version"
		}
		j.against(n.at, fmt.Sprintf("%s holds %s %s, and OIDC came with %s", n.at, what, strings.TrimSpace(n.text), least),
			fmt.Sprintf("%s: write %s = \">= %s\" in place of %s = %q, or a newer range that has been tried", n.at, name, least, name, n.text))
	}
}
