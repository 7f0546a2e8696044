package terraform

import (
	"fmt"
	"strings"
	"testing"
)

// ask gives what code says, as lines.
func ask(q Question, files ...string) string {
	var f Files
	for i := 0; i+1 < len(files); i += 2 {
		f.Files = append(f.Files, File{files[i], []byte(files[i+1])})
	}
	answer := Parse(f).Judge(q)
	var lines []string
	for _, r := range answer.Against {
		lines = append(lines, "against "+r.Message)
	}
	for _, r := range answer.Doubts {
		lines = append(lines, "doubt "+r.Message)
	}
	return strings.Join(lines, "\n")
}

func sets(names ...string) func(string) bool {
	return func(name string) bool {
		for _, n := range names {
			if n == name {
				return true
			}
		}
		return false
	}
}

func TestWhatABlockSetsGoesBeforeTheEnvironment(t *testing.T) {
	none := Question{Sets: sets()}
	for name, tc := range map[string]struct {
		q     Question
		files []string
		want  string // the beginning of the answer; empty: nothing is said
	}{
		"nothing":                    {none, []string{"main.tf", `resource "azurerm_resource_group" "x" {}`}, ""},
		"oidc is on":                 {none, []string{"main.tf", "provider \"azurerm\" {\n use_oidc = true\n}"}, ""},
		"oidc is on, as text":        {none, []string{"main.tf", "provider \"azurerm\" {\n use_oidc = \"true\"\n}"}, ""},
		"oidc is off":                {none, []string{"main.tf", "provider \"azurerm\" {\n use_oidc = false\n}"}, "against main.tf:2"},
		"secret of null":             {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret = null\n}"}, ""},
		"secret of nothing":          {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret = \"\"\n}"}, ""},
		"secret, written out":        {none, []string{"main.tf", "provider \"azuread\" {\n client_secret = \"canary\"\n}"}, `against main.tf:2 gives provider "azuread" client_secret = …,`},
		"secret in digits":           {none, []string{"main.tf", "provider \"azuread\" {\n client_secret = \"12345\"\n}"}, `against main.tf:2 gives provider "azuread" client_secret = …,`},
		"secret by a function":       {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret = file(\"canary\")\n}"}, "against main.tf:2"},
		"secret of a local":          {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret = local.sp.secret\n}"}, `against main.tf:2 gives provider "azurerm" client_secret = local.sp.secret,`},
		"secret in a file":           {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret_file_path = \"/run/sp\"\n}"}, "against main.tf:2"},
		"certificate":                {none, []string{"main.tf", "provider \"azapi\" {\n client_certificate = var.pfx\n}"}, "against main.tf:2"},
		"another provider":           {none, []string{"main.tf", "provider \"aws\" {\n client_secret = \"x\"\n}"}, ""},
		"another name":               {none, []string{"main.tf", "terraform {\n required_providers {\n  arm = { source = \"hashicorp/azurerm\" }\n }\n}\nprovider \"arm\" {\n use_oidc = false\n}"}, "against main.tf:7"},
		"open variable":              {none, []string{"main.tf", "variable \"s\" {}\nprovider \"azurerm\" {\n client_secret = var.s\n}"}, "against main.tf:3"},
		"variable that nobody sets":  {none, []string{"main.tf", "variable \"s\" {\n default = \"\"\n}\nprovider \"azurerm\" {\n client_secret = \"${var.s}\"\n}"}, ""},
		"variable that is set":       {Question{Sets: sets("s")}, []string{"main.tf", "variable \"s\" {\n default = \"\"\n}\nprovider \"azurerm\" {\n client_secret = var.s\n}"}, "against main.tf:5"},
		"variable in a file":         {none, []string{"main.tf", "variable \"o\" {\n default = true\n}\nprovider \"azurerm\" {\n use_oidc = var.o\n}", "env/prod.tfvars", "o = false\n"}, "doubt main.tf:5"},
		"variable in a file, agreed": {none, []string{"main.tf", "variable \"o\" {\n default = true\n}\nprovider \"azurerm\" {\n use_oidc = var.o\n}", "env/prod.tfvars", "o = true\n"}, ""},
		"computed":                   {none, []string{"main.tf", "provider \"azurerm\" {\n use_oidc = terraform.workspace == \"ci\"\n}"}, "doubt main.tf:2"},
		"managed identity":           {none, []string{"main.tf", "provider \"azurerm\" {\n use_msi = true\n}"}, "doubt main.tf:2"},
		"no managed identity":        {none, []string{"main.tf", "provider \"azurerm\" {\n use_msi = false\n}"}, ""},
		"another identity":           {none, []string{"main.tf", "provider \"azurerm\" {\n client_id = var.id\n}"}, "doubt main.tf:2"},
		"backend":                    {none, []string{"main.tf", "terraform {\n backend \"azurerm\" {\n  use_oidc = false\n }\n}"}, "against main.tf:3"},
		"another backend":            {none, []string{"main.tf", "terraform {\n backend \"s3\" {\n  client_secret = \"x\"\n }\n}"}, ""},
		"remote backend":             {none, []string{"main.tf", "terraform {\n backend \"remote\" {}\n}"}, "doubt main.tf:2"},
		"file of a backend":          {none, []string{"main.tf", "", "prod.azurerm.tfbackend", "key = \"k\"\nclient_secret = \"canary\"\n"}, "against prod.azurerm.tfbackend:2 gives the backend client_secret = …,"},
		"variables for a backend":    {none, []string{"main.tf", "", "backend.tfvars", "container_name = \"c\"\nkey = \"k\"\nuse_oidc = false\n"}, "against backend.tfvars:3"},
		"settings of a backend":      {none, []string{"main.tf", "", "backend.hcl", "storage_account_name = \"s\"\nkey = \"k\"\nclient_secret = \"canary\"\n"}, "against backend.hcl:3"},
		"another program":            {none, []string{"main.tf", "", "image.pkr.hcl", "source \"azure-arm\" \"x\" {\n client_secret = \"canary\"\n}\n"}, ""},
		"another program's settings": {none, []string{"main.tf", "", "x.hcl", "client_secret = \"canary\"\n"}, ""},
		"another language":           {none, []string{"main.tf", "", "x.hcl", "{{"}, ""},
		"variables of that name":     {none, []string{"main.tf", "variable \"container_name\" {}", "x.tfvars", "container_name = \"c\"\nkey = \"k\"\nuse_oidc = false\n"}, ""},
		"remote state":               {none, []string{"main.tf", "data \"terraform_remote_state\" \"n\" {\n backend = \"azurerm\"\n config = {\n  \"client_secret\" = var.s\n }\n}"}, "against main.tf:4"},
		"json":                       {none, []string{"main.tf.json", "{\"provider\": {\"azurerm\": [{\n\"use_oidc\": false}]}}"}, "against main.tf.json:2"},
		"json, computed":             {none, []string{"main.tf.json", "{\"provider\": {\"azurerm\": {\"use_oidc\": \"${1 == 1}\"}}}"}, "doubt main.tf.json:1"},
		"opentofu":                   {none, []string{"main.tofu", "provider \"azurerm\" {\n use_oidc = false\n}"}, "against main.tofu:2"},
		"a copy of a module":         {none, []string{".terraform/modules/x/main.tf", "provider \"azurerm\" {\n use_oidc = false\n}"}, ""},
		"stack":                      {none, []string{"main.tf", "terraform {\n required_providers {\n  azurestack = \"~> 1.0\"\n }\n}"}, "against main.tf:3"},
		"broken":                     {none, []string{"main.tf", "provider \"azurerm\" {\n client_secret = \"canary"}, "doubt main.tf could not be read (line 2"},
		"broken elsewhere":           {Question{Directories: []string{"a"}, Sets: sets()}, []string{"a/main.tf", "", "b/main.tf", "provider {"}, ""},
		"elsewhere":                  {Question{Directories: []string{"a"}, Sets: sets()}, []string{"a/main.tf", "", "b/main.tf", "provider \"azurerm\" {\n use_oidc = false\n}"}, ""},
		"in a directory without any": {Question{Directories: []string{"c"}, Sets: sets()}, []string{"b/main.tf", "provider \"azurerm\" {\n use_oidc = false\n}"}, "against b/main.tf:2"},
		"through a module":           {Question{Directories: []string{"a"}, Sets: sets()}, []string{"a/main.tf", "module \"m\" {\n source = \"../b\"\n}", "b/main.tf", "provider \"azurerm\" {\n use_oidc = false\n}"}, "against b/main.tf:2"},
		"modules that call in a ring": {Question{Directories: []string{"a"}, Sets: sets()}, []string{"a/main.tf", "module \"m\" {\n source = \"../b\"\n}", "b/main.tf",
			"module \"m\" {\n source = \"../a\"\n}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(tc.q, tc.files...)
			if !strings.HasPrefix(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if strings.Contains(got, "canary") {
				t.Errorf("%q has a value of the code", got)
			}
		})
	}
}

func TestAPinBelowTheFirstVersionWithOIDCContradicts(t *testing.T) {
	for constraint, want := range map[string]bool{
		"3.6.0": false, "= 3.7.0": true, "~> 2.0": false, "~> 3.0": true, "~> 3.6.0": false, "~> 3.7.0": true, "~> 3": true, ">= 2.0": true, ">= 2.0, < 3.0": false,
		"< 3.7.0": false, "<= 3.7.0": true, "< 3.7.1": true, "!= 3.8.0": true, "> 3.0, < 5": true, "v4.1.0": true, "3.5.0-beta1": false,
	} {
		if got, readable := reaches(constraint, version{3, 7, 0}); !readable || got != want {
			t.Errorf("%q reaches 3.7.0: %v, readable %v", constraint, got, readable)
		}
	}
	for _, constraint := range []string{"", "latest", "1.2.3.4", "~> x", "9999999999.0"} {
		if _, readable := reaches(constraint, version{3, 7, 0}); readable {
			t.Errorf("%q is read as a constraint", constraint)
		}
	}
	const lock = "provider \"registry.terraform.io/hashicorp/azurerm\" {\n  version = \"%s\"\n}\n"
	const old = "terraform {\n required_providers {\n  azurerm = { version = \">= 2.0\" }\n }\n}"
	if got := ask(Question{}, "x/main.tf", old, "x/.terraform.lock.hcl", fmt.Sprintf(lock, "2.99.0")); !strings.HasPrefix(got, `against x/.terraform.lock.hcl:2 locks provider "azurerm" at version 2.99.0`) {
		t.Errorf("an old lock: %q", got)
	}
	if got := ask(Question{}, "x/main.tf", old, "x/.terraform.lock.hcl", fmt.Sprintf(lock, "4.2.0")); got != "" {
		t.Errorf("a lock that is new enough: %q", got)
	}
	if got := ask(Question{}, "main.tf", "provider \"azurerm\" {\n version = \"~> 1.44\"\n}"); !strings.HasPrefix(got, "against main.tf:2 holds provider") {
		t.Errorf("a version in the provider's block: %q", got)
	}
	if got := ask(Question{}, "main.tf", "terraform {\n required_version = \"~> 1.1.0\"\n}"); got != "" {
		t.Errorf("an old Terraform without an azurerm backend: %q", got)
	}
}

func TestResourcesThatAMigrationHasToDoWithAreFound(t *testing.T) {
	const code = `resource "azuredevops_serviceendpoint_azurerm" "prod" {
  service_endpoint_name = "prod"
  credentials {
    serviceprincipalkey = "canary"
  }
}
resource "github_actions_secret" "sp" {
  repository      = "shop"
  secret_name     = "AZURE_CREDENTIALS"
  plaintext_value = "canary"
}
resource "azuread_application" "app" {
  display_name = "shop"
}
resource "azuread_service_principal" "sp" {
  client_id = azuread_application.app.client_id
}
resource "azuread_service_principal_password" "p" {
  service_principal_id = azuread_service_principal.sp.id
}
resource "azuread_application_password" "elsewhere" {
  application_id = var.application
}
resource "azuread_application_password" "ring" {
  application_id = azuread_application_password.ring.id
}
resource "azurerm_resource_group" "rg" {}
`
	got := fmt.Sprint(Parse(Files{Files: []File{{"i/main.tf", []byte(code)}}}).Resources())
	want := fmt.Sprint([]Resource{
		{File: "i/main.tf", Line: 1, Type: "azuredevops_serviceendpoint_azurerm", Name: "prod", Object: "prod"},
		{File: "i/main.tf", Line: 7, Type: "github_actions_secret", Name: "sp", Object: "AZURE_CREDENTIALS", Of: "shop"},
		{File: "i/main.tf", Line: 18, Type: "azuread_service_principal_password", Name: "p", Object: "shop"},
		{File: "i/main.tf", Line: 21, Type: "azuread_application_password", Name: "elsewhere"},
		{File: "i/main.tf", Line: 24, Type: "azuread_application_password", Name: "ring"},
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsReadIsBounded(t *testing.T) {
	for name, content := range map[string]string{
		"brackets":   "x = " + strings.Repeat("[", 5000),
		"blocks":     strings.Repeat("a {\n", 5000),
		"signs":      "x = " + strings.Repeat("!", 100000) + "true",
		"conditions": "x = " + strings.Repeat("a?b:", 50000) + "c",
		"templates":  "x = \"" + strings.Repeat("%{if true}", 20000) + "\"",
		"size":       strings.Repeat("# x\n", MaxFileSize/3),
	} {
		c := Parse(Files{Files: []File{{"main.tf", []byte("# provider\n" + content)}}})
		if len(c.Unread) != 1 {
			t.Errorf("%s: the file is taken as read", name)
		}
	}
	var entries []Entry
	for i := range MaxFiles + 5 {
		entries = append(entries, Entry{fmt.Sprintf("m%04d/main.tf", i), 10})
	}
	entries = append(entries, Entry{"README.md", 10}, Entry{"a/large.tf", MaxFileSize + 1}, Entry{".terraform/x.tf", 1})
	take, left := Choose(entries)
	if len(take) != MaxFiles || len(left) != 6 {
		t.Errorf("%d files are taken and %d left out", len(take), len(left))
	}
}

// FuzzParse holds that no text makes the reading fail, and that no literal gets out.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"provider \"azurerm\" {\n features {}\n client_secret = \"canary-literal\"\n}", "terraform {\n backend \"azurerm\" {\n  use_oidc = false\n }\n}",
		"data \"terraform_remote_state\" \"n\" {\n backend = \"azurerm\"\n config = { client_secret = \"canary-literal\" }\n}",
		`{"provider": {"azurerm": {"client_secret": "canary-literal", "use_oidc": "${var.x}"}}}`, "x = <<EOT\n${var.a}\nEOT\n", "a = [for x in [1,2] : x]",
		"terraform {\n required_providers {\n  azurerm = { source = \"hashicorp/azurerm\", version = \"~> 2.0\" }\n }\n}",
	} {
		for kind := range 4 {
			f.Add([]byte(seed), kind)
		}
	}
	names := []string{"main.tf", "main.tf.json", "x.tfvars", "y.tfbackend", "z.hcl", lockFile}
	f.Fuzz(func(t *testing.T, content []byte, kind int) {
		name := names[(kind%len(names)+len(names))%len(names)]
		code := Parse(Files{Files: []File{{name, content}}})
		answer := code.Judge(Question{})
		for _, r := range append(answer.Against, answer.Doubts...) {
			if strings.Contains(r.Message+r.Change, "canary-literal") {
				t.Errorf("a literal got out: %s; %s", r.Message, r.Change)
			}
		}
	})
}
