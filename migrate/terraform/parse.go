package terraform

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Parse reads the code. It never fails: what cannot be read is in Unread.
func Parse(f Files) *Code {
	c := &Code{Unread: slices.Clone(f.Unread), modules: map[string]*module{}, values: map[string][]value{}}
	for _, file := range f.Files {
		if !Wanted(file.Path) {
			continue
		}
		if err := c.parse(file); err != nil && mayBeForeign(file.Path) {
			continue
		} else if err != nil {
			c.Unread = append(c.Unread, Unread{file.Path, err.Error()})
			continue
		}
		c.files++
	}
	for _, u := range c.Unread {
		if isCode(u.Path) { // the directory is there, whatever is in it
			c.module(path.Dir(u.Path))
		}
	}
	slices.SortStableFunc(c.Unread, func(a, b Unread) int { return strings.Compare(a.Path, b.Path) })
	return c
}

// marks are the words of which one stands in every file of code that has to do with a sign-in. Most code has none, and parsing takes its time.
var marks = [][]byte{[]byte("provider"), []byte("terraform"), []byte("module"), []byte("variable"), []byte("azuread_"), []byte("azuredevops_"), []byte("github_actions_")}

func matters(content []byte) bool {
	return slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(content, mark) })
}

// The nesting that is parsed. The parser goes as deep as the text, so a crafted file could take memory without bound.
const (
	maxDepth = 100
	maxRun   = 2000 // operators that nest without brackets: signs in a row, conditions, directives of templates
)

func (c *Code) parse(f File) (err error) {
	defer func() {
		if r := recover(); r != nil { // a file must not take the whole scan with it
			err = fmt.Errorf("its parser failed: %v", r)
		}
	}()
	if isCode(f.Path) && !strings.HasSuffix(f.Path, ".json") && !matters(f.Content) {
		c.module(path.Dir(f.Path)) // the directory is there
		return nil
	}
	if len(f.Content) > MaxFileSize {
		return fmt.Errorf("%s", tooLarge(f.Path, len(f.Content)).Reason)
	}
	if tooDeep(f.Content) {
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(f.Path, ".json") {
		file, diags = json.Parse(f.Content, f.Path)
	} else {
		file, diags = hclsyntax.ParseConfig(f.Content, f.Path, hcl.InitialPos)
	}
	if diags.HasErrors() {
		return problem(diags)
	}
	r := reader{c, f}
	switch {
	case isCode(f.Path):
		r.code(file.Body)
	case isVariables(f.Path):
		r.variables(file.Body)
	case isBackend(f.Path):
		attributes, diags := file.Body.JustAttributes()
		if mayBeForeign(f.Path) && (diags.HasErrors() || !forBackend(attributes)) {
			return fmt.Errorf("it is of another program") // such as Packer or Terragrunt
		}
		c.settings = append(c.settings, settings{place{f.Path, 1}, r.attributes(attributes)})
	default:
		r.locks(file.Body)
	}
	return nil
}

// problem tells the first error without quoting the text, which may hold a secret.
func problem(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			return fmt.Errorf("line %d: %s", d.Subject.Start.Line, d.Summary)
		}
	}
	return fmt.Errorf("it is not readable as Terraform code")
}

// tooDeep looks for nesting without parsing. Brackets in strings and comments count, which does no harm: they come in pairs.
func tooDeep(content []byte) bool {
	depth, run := 0, 0
	for _, b := range content {
		switch b {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		switch b {
		case '!', '-':
			run++
		case ' ', '\t', '\r', '\n':
		default:
			run = 0
		}
		if depth > maxDepth || run > maxRun {
			return true
		}
	}
	return bytes.Count(content, []byte("?")) > maxRun || bytes.Count(content, []byte("%{")) > maxRun
}

// reader takes what matters out of one file.
type reader struct {
	*Code
	file File
}

func (c *Code) module(dir string) *module {
	m := c.modules[dir]
	if m == nil {
		m = &module{dir: dir, locked: map[string]need{}, variables: map[string]value{}}
		c.modules[dir] = m
	}
	return m
}

func (r reader) at(rng hcl.Range) place { return place{r.file.Path, rng.Start.Line} }

func blocks(labels map[string][]string, attributes ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for name, l := range labels {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: l})
	}
	for _, name := range attributes {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	return s
}

// What is read of a block; all else in it is left alone.
var (
	rootSchema = blocks(map[string][]string{"terraform": nil, "provider": {"name"}, "variable": {"name"}, "module": {"name"}, "data": {"type", "name"}, "resource": {"type", "name"}})
	coreSchema = blocks(map[string][]string{"required_providers": nil, "backend": {"type"}, "cloud": nil}, "required_version")
	lockSchema = blocks(map[string][]string{"provider": {"source"}})
	signIns    = []string{"client_id", "client_id_file_path", "client_secret", "client_secret_file_path", "client_certificate", "client_certificate_path", "use_oidc", "use_msi", "version"}
)

func (r reader) code(body hcl.Body) {
	m := r.module(path.Dir(r.file.Path))
	content, _, _ := body.PartialContent(rootSchema)
	for _, b := range content.Blocks {
		switch b.Type {
		case "terraform":
			r.core(m, b.Body)
		case "provider":
			m.blocks = append(m.blocks, block{"provider", b.Labels[0], `provider "` + word(b.Labels[0]) + `"`, r.at(b.DefRange), r.only(b.Body, signIns...)})
		case "variable":
			a := r.only(b.Body, "default")
			m.variables[b.Labels[0]] = a["default"].value
		case "module":
			if a, ok := r.only(b.Body, "source")["source"]; ok && a.value.known && (strings.HasPrefix(a.value.text, "./") || strings.HasPrefix(a.value.text, "../")) {
				m.children = append(m.children, path.Join(m.dir, a.value.text))
			}
		case "data":
			if b.Labels[0] == "terraform_remote_state" {
				r.remoteState(m, b)
			}
		case "resource":
			r.resource(m, b)
		}
	}
}

func (r reader) core(m *module, body hcl.Body) {
	content, _, _ := body.PartialContent(coreSchema)
	if a, ok := content.Attributes["required_version"]; ok {
		m.core = append(m.core, need{"terraform", r.read(a.Expr).text, r.at(a.Range)})
	}
	for _, b := range content.Blocks {
		switch b.Type {
		case "required_providers":
			attributes, _ := b.Body.JustAttributes()
			for name, a := range attributes {
				r.required(m, name, a)
			}
		case "backend":
			m.blocks = append(m.blocks, block{"backend", b.Labels[0], `backend "` + word(b.Labels[0]) + `"`, r.at(b.DefRange), r.only(b.Body, signIns...)})
		case "cloud":
			m.blocks = append(m.blocks, block{"cloud", "cloud", "cloud", r.at(b.DefRange), nil})
		}
	}
}

// required reads an entry of required_providers: an object, or the version alone as Terraform 0.12 had it.
func (r reader) required(m *module, name string, a *hcl.Attribute) {
	pairs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		if v := r.read(a.Expr); v.known && !v.null {
			m.needs = append(m.needs, need{name, v.text, r.at(a.Range)})
		}
		return
	}
	n := need{provider: name, at: r.at(a.Range)}
	for _, p := range pairs {
		switch v := r.read(p.Value); keyOf(p.Key) {
		case "version":
			n.text, n.at = v.text, r.at(p.Key.Range())
		case "source":
			if v.known && path.Base(v.text) != name { // the code calls the provider by another name
				n.provider = path.Base(v.text)
				m.aliases(name, n.provider)
			}
		}
	}
	m.needs = append(m.needs, n)
}

// aliases notes that blocks of a name are of another provider.
func (m *module) aliases(name, provider string) {
	if m.renamed == nil {
		m.renamed = map[string]string{}
	}
	m.renamed[name] = provider
}

func (r reader) remoteState(m *module, b *hcl.Block) {
	content, _, _ := b.Body.PartialContent(blocks(nil, "backend", "config"))
	backend, ok := content.Attributes["backend"]
	config, has := content.Attributes["config"]
	if !ok || !has || r.read(backend.Expr).text != "azurerm" {
		return
	}
	pairs, _ := hcl.ExprMap(config.Expr)
	out := block{"remote state", "azurerm", "terraform_remote_state." + word(b.Labels[1]), r.at(b.DefRange), map[string]attribute{}}
	for _, p := range pairs {
		if name := keyOf(p.Key); slices.Contains(signIns, name) {
			out.attributes[name] = r.attribute(name, p.Value, p.Key.Range())
		}
	}
	m.blocks = append(m.blocks, out)
}

func (r reader) variables(body hcl.Body) {
	attributes, _ := body.JustAttributes()
	for name, a := range attributes {
		r.values[name] = append(r.values[name], r.read(a.Expr))
	}
	if forBackend(attributes) { // it is given to init by -backend-config
		r.settings = append(r.settings, settings{place{r.file.Path, 1}, r.attributes(attributes)})
	}
}

// forBackend tells whether settings are those of an azurerm backend, which has its state in a container.
func forBackend(attributes hcl.Attributes) bool {
	_, container := attributes["container_name"]
	_, key := attributes["key"]
	_, account := attributes["storage_account_name"]
	return container && (key || account) || key && account
}

func (r reader) locks(body hcl.Body) {
	content, _, _ := body.PartialContent(lockSchema)
	for _, b := range content.Blocks {
		if a, ok := r.only(b.Body, "version")["version"]; ok {
			name := path.Base(b.Labels[0])
			r.module(path.Dir(r.file.Path)).locked[name] = need{name, a.value.text, a.at}
		}
	}
}

// only reads some attributes of a block.
func (r reader) only(body hcl.Body, names ...string) map[string]attribute {
	content, _, _ := body.PartialContent(blocks(nil, names...))
	return r.attributes(content.Attributes)
}

func (r reader) attributes(list hcl.Attributes) map[string]attribute {
	out := map[string]attribute{}
	for name, a := range list {
		out[name] = r.attribute(name, a.Expr, a.NameRange)
	}
	return out
}

func (r reader) attribute(name string, e hcl.Expression, at hcl.Range) attribute {
	return attribute{name: name, at: r.at(at), value: r.read(e), variable: variableOf(e), text: r.text(name, e)}
}

func keyOf(e hcl.Expression) string {
	if key := hcl.ExprAsKeyword(e); key != "" {
		return key
	}
	v, _ := e.Value(nil)
	return valueOf(v).text
}
