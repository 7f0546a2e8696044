package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// Rewrite computes the edits that take the logins of a tree off their stored credentials. It changes nothing itself.
// A login that is not rewritten is in Left with its reason; a file whose result could not be proven is refused.
func Rewrite(t Tree, o RewriteOptions) Rewriting {
	r := &rewriter{analysis: analyse(t, Options{}), options: o, plans: make(map[*file]*filePlan), deleted: make(map[*yaml.Node]map[*yaml.Node]Edit), readers: make(map[*job]bool)}
	defer r.memories.release(false)
	if r.options.LoginVersion == "" {
		r.options.LoginVersion = "v2"
	}
	r.credentials = r.countCredentials()
	for _, variables := range []bool{false, true} { // a variable can only go when what reads it is converted
		for _, f := range r.findings {
			if f.isVariable() == variables && !r.stopped() {
				r.convertOne(f)
			}
		}
	}
	if r.stopped() {
		return Rewriting{}
	}
	r.grantAll()
	return r.finish()
}

// rewriter collects the edits of one tree.
type rewriter struct {
	*analysis
	options     RewriteOptions
	plans       map[*file]*filePlan
	deleted     map[*yaml.Node]map[*yaml.Node]Edit // the keys that are deleted of each mapping
	credentials map[string]bool                    // names of the credential secrets in the tree; more than one need names of their own
	readers     map[*job]bool                      // whether a job only reads with GITHUB_TOKEN, where that was asked for
	undo        []func()                           // takes back what the conversion of one login did, last first
	left        []Left
	done        []*finding
}

// filePlan is the edits of one file.
type filePlan struct {
	edits   []Edit
	refused string
}

func (r *rewriter) plan(f *file) *filePlan {
	if r.plans[f] == nil {
		r.plans[f] = &filePlan{}
	}
	return r.plans[f]
}

// edit records a replacement. The same edit twice, as an anchor causes it, is one.
func (r *rewriter) edit(f *file, login inventory.LoginID, start, end int, text, reason string) {
	p := r.plan(f)
	for _, have := range p.edits {
		if have.Start == start && have.End == end && have.New == text {
			return
		}
	}
	line, _ := f.place(start)
	before := slices.Clip(p.edits)
	r.undo = append(r.undo, func() { p.edits = before })
	p.edits = append(before, Edit{Start: start, End: end, New: text, Line: line, Login: login, Reason: reason})
}

func (r *rewriter) convertOne(f *finding) {
	switch {
	case f.Conversion == inventory.ConversionNone:
		return
	case r.options.Only != nil && !r.options.Only[f.ID], r.options.mayChange(f.file.path) != nil:
		return
	case f.convert == nil:
		r.leave(f, f.Reason)
		return
	case f.level > r.options.Level:
		r.leave(f, "left at level safe: "+f.Reason)
		return
	}
	r.undo = r.undo[:0]
	err := f.convert(r, f)
	if err == nil && len(f.channels)+len(f.into) == 0 { // what changes in several files is done or refused as a whole, in the end
		err = r.grantFor(f)
	}
	if err != nil {
		for _, back := range slices.Backward(r.undo) {
			back()
		}
		r.leave(f, err.Error())
		return
	}
	r.done = append(r.done, f)
}

func (r *rewriter) leave(f *finding, reason string) {
	r.left = append(r.left, Left{Login: f.ID, File: f.File, Line: f.Line, Reason: reason, Manual: f.Manual})
}

// finish applies the edits of each file and proves the result.
func (r *rewriter) finish() Rewriting {
	out := Rewriting{Left: r.left, Gaps: r.gaps}
	slices.SortStableFunc(out.Left, func(a, b Left) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	out.Files = r.applyAll()
	sort.Slice(out.Files, func(i, j int) bool { return out.Files[i].Path < out.Files[j].Path })
	return out
}

// splice applies sorted edits; overlapping ones are an error.
func splice(src []byte, edits []Edit) ([]byte, error) {
	size := len(src)
	for _, e := range edits {
		size += len(e.New) - (e.End - e.Start)
	}
	out := make([]byte, 0, max(size, 0))
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("two changes overlap at line %d", e.Line)
		}
		out = append(append(out, src[at:e.Start]...), e.New...)
		at = e.End
	}
	return append(out, src[at:]...), nil
}

// names gives the expressions for the identity of a login: what the caller of Rewrite says, else what the text says, else
// variables named after the credential.
func (r *rewriter) names(f *finding) IdentityNames {
	n := IdentityNames{ClientID: f.Identity.ClientID, TenantID: f.Identity.TenantID, SubscriptionID: f.Identity.SubscriptionID}
	if given, ok := r.given(f); ok {
		return given // without a subscription where the caller knows of none
	}
	prefix := "AZURE"
	if secret := credentialSecret(f.Login); secret != "" && len(r.credentials) > 1 {
		prefix = variableName(secret)
	}
	if n.ClientID == "" {
		n.ClientID = r.options.idContext() + "." + prefix + "_CLIENT_ID"
	}
	if n.TenantID == "" {
		n.TenantID = r.tenantInJob(f)
	}
	if n.TenantID == "" {
		n.TenantID = r.options.idContext() + "." + prefix + "_TENANT_ID"
	}
	if n.SubscriptionID == "" {
		n.SubscriptionID = r.options.idContext() + "." + prefix + "_SUBSCRIPTION_ID"
	}
	return n
}

// tenantInJob is where the other logins of a job read the tenant of the same client id: a registry's sign-in names none. A
// value that the environment gives may be another one at another step.
func (r *rewriter) tenantInJob(f *finding) string {
	stored := func(id string) bool { return strings.HasPrefix(id, "secrets.") || strings.HasPrefix(id, "vars.") }
	if f.job == nil || !stored(f.Identity.ClientID) {
		return ""
	}
	tenant := ""
	for _, o := range r.byFile[f.file] {
		if o.job != f.job || o.Identity.ClientID != f.Identity.ClientID || !stored(o.Identity.TenantID) {
			continue
		}
		if tenant != "" && tenant != o.Identity.TenantID {
			return ""
		}
		tenant = o.Identity.TenantID
	}
	return tenant
}

// given is what the caller of Rewrite says of the identity of a login. A called file whose callers pass the ids goes on reading
// what they pass: another caller may pass another identity's, and an action has no other way to them.
func (r *rewriter) given(f *finding) (IdentityNames, bool) {
	if r.options.Names == nil || strings.HasPrefix(f.Identity.ClientID, "inputs.") && (f.file.action || f.file.has("workflow_call")) {
		return IdentityNames{}, false
	}
	n := r.options.Names(f.Login)
	return n, n.ClientID != "" && n.TenantID != ""
}

// credentialSecret is the name of the secret that holds the credential itself.
func credentialSecret(l inventory.Login) string {
	for _, s := range l.Secrets {
		if s.Role == roleCredentials || s.Role == roleClientSecret {
			return strings.ToUpper(s.Name)
		}
	}
	return ""
}

func (r *rewriter) countCredentials() map[string]bool {
	names := make(map[string]bool)
	for _, f := range r.findings {
		if name := credentialSecret(f.Login); name != "" && f.Conversion != inventory.ConversionNone {
			names[name] = true
		}
	}
	return names
}

// variableName makes a secret's name into the first part of a variable's name, which must not begin with GITHUB_ or a digit.
func variableName(secret string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '_'
	}, strings.ToUpper(secret))
	if strings.HasPrefix(name, "GITHUB_") || name[0] >= '0' && name[0] <= '9' {
		return "AZURE_" + name
	}
	return name
}

// contexts are what an expression can begin with (github/docs, contexts reference).
var contexts = []string{"secrets", "vars", "env", "inputs", "github", "steps", "needs", "matrix", "strategy", "runner", "job", "jobs"}

// isExpression tells an expression without its ${{ }} from a literal, such as a tenant's domain.
func isExpression(name string) bool {
	head := strings.TrimRightFunc(name[:strings.IndexAny(name+".", ".[( ")], unicode.IsSpace)
	for _, c := range contexts {
		if strings.EqualFold(head, c) && len(head) < len(name) {
			return true
		}
	}
	return strings.Contains(name, "(") && strings.HasSuffix(strings.TrimSpace(name), ")") || strings.Contains(name, "||") || strings.Contains(name, "&&")
}

// expression writes a name as a YAML value: an expression gets its ${{ }}, a literal stays. In flow style it is quoted.
func expression(name string, flow bool) string {
	literal := !isExpression(name)
	value := name
	if !literal {
		value = "${{ " + name + " }}"
	}
	if flow || literal {
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return value
}
