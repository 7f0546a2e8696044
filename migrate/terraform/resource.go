package terraform

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Resource is an object that the code makes and that a migration changes or takes away: an apply of the code would bring it back.
type Resource struct {
	File        string
	Line        int
	Type, Name  string
	Object      string // what it makes, as far as the text tells: the name of a connection or a secret, or of the application that a password is of
	Of          string // of a secret of GitHub: the repository's name
	Environment string // and the environment's
}

// The attributes that name what a resource makes (Terraform Registry: providers microsoft/azuredevops, integrations/github and hashicorp/azuread).
var named = map[string]string{
	"azuredevops_serviceendpoint_azurerm": "service_endpoint_name", "azuredevops_serviceendpoint_azurecr": "service_endpoint_name",
	"github_actions_secret": "secret_name", "github_actions_environment_secret": "secret_name", "github_actions_organization_secret": "secret_name",
	"azuread_application_password": "", "azuread_service_principal_password": "",
}

// The resources that stand for an application, and those that refer to one.
var (
	applications = map[string]bool{"azuread_application": true, "azuread_application_registration": true}
	referring    = []string{"application_id", "application_object_id", "service_principal_id", "client_id"}
)

// resource is a resource with what it refers to.
type resource struct {
	Resource
	display string   // of an application
	refers  []string // addresses, TYPE.NAME
}

func (r reader) resource(m *module, b *hcl.Block) {
	kind := b.Labels[0]
	attribute, wanted := named[kind]
	if !wanted && !applications[kind] && kind != "azuread_service_principal" {
		return
	}
	names := append([]string{"repository", "environment", "display_name"}, referring...)
	if attribute != "" {
		names = append(names, attribute)
	}
	content, _, _ := b.Body.PartialContent(blocks(nil, names...))
	list := r.attributes(content.Attributes)
	one := resource{Resource: Resource{File: r.file.Path, Line: b.DefRange.Start.Line, Type: kind, Name: word(b.Labels[1])}, display: list["display_name"].value.text}
	if attribute != "" {
		one.Object, one.Of, one.Environment = list[attribute].value.text, list["repository"].value.text, list["environment"].value.text
	}
	for _, name := range referring {
		if a, ok := content.Attributes[name]; ok {
			one.refers = append(one.refers, addresses(a.Expr)...)
		}
	}
	m.resources = append(m.resources, one)
}

// addresses are the resources that an expression refers to.
func addresses(e hcl.Expression) []string {
	var out []string
	for _, t := range e.Variables() {
		if len(t) >= 2 {
			if name, ok := t[1].(hcl.TraverseAttr); ok {
				out = append(out, t.RootName()+"."+name.Name)
			}
		}
	}
	return out
}

// Resources are those that a migration has to do with, in the order of their places.
func (c *Code) Resources() []Resource {
	var out []Resource
	for _, m := range c.considered(nil) {
		for _, one := range m.resources {
			if _, wanted := named[one.Type]; !wanted {
				continue
			}
			if one.Object == "" && strings.HasPrefix(one.Type, "azuread_") {
				one.Object = m.application(one, 0)
			}
			out = append(out, one.Resource)
		}
	}
	slices.SortStableFunc(out, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return out
}

// application follows what a resource refers to, to the name of an application of the same module.
func (m *module) application(from resource, depth int) string {
	for _, address := range from.refers {
		for _, one := range m.resources {
			if one.Type+"."+one.Name != address || depth > 3 {
				continue
			}
			if applications[one.Type] {
				return one.display
			}
			if name := m.application(one, depth+1); name != "" {
				return name
			}
		}
	}
	return ""
}
