package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

var fromJSON = newSearchAnyCase("fromjson")

// jsonIDs finds, after all else, where an id is taken out of a credentials JSON. An id is no credential, but the secret that holds
// the JSON must not be deleted while it is read from there.
func (f *finder) jsonIDs() {
	if !in(fromJSON, f.file.src) {
		return
	}
	f.jsonIDsIn(f.file.env, nil, nil)
	for _, j := range f.file.jobs {
		if neverRuns(j.condition) {
			continue
		}
		for _, n := range []*yaml.Node{j.env, j.with, j.secrets.value, j.container} {
			f.jsonIDsIn(n, j, nil)
		}
		f.jsonIDsOf(j.steps)
	}
	f.jsonIDsOf(f.file.steps)
}

func (f *finder) jsonIDsOf(steps []*step) {
	for _, s := range steps {
		if neverRuns(s.condition) {
			continue
		}
		for _, n := range []*yaml.Node{s.env, s.with, s.run.value} {
			f.jsonIDsIn(n, s.job, s)
		}
	}
}

func (f *finder) jsonIDsIn(n *yaml.Node, j *job, s *step) {
	walkScalars(n, func(value *yaml.Node) {
		if !in(fromJSON, value.Value) || f.carriesAt(value, f.file.start(value), s) {
			return
		}
		for _, seg := range segments(value.Value) {
			if f.file.overfull {
				return
			}
			for _, r := range seg.refs {
				role := roleOfProperty(r.property)
				if r.context == "secrets" && r.index == nil && role != "" && role != roleClientSecret {
					f.jsonID(value, seg, r, role, j, s)
					break
				}
			}
		}
	})
}

func (f *finder) jsonID(value *yaml.Node, seg segment, r ref, role string, j *job, s *step) {
	start, exact := f.file.source(value, seg.start)
	end, _ := f.file.source(value, seg.end)
	if !exact {
		start, end = f.file.start(value), f.file.end(value)
	}
	if f.carriesAt(value, start, s) {
		return
	}
	n := f.atRange(inventory.KindCredsJSONParts, entry{key: value, value: value, raw: value}, max(start, end), start, j, s)
	if n == nil {
		return
	}
	n.exact, n.idRole = exact, role
	n.Secrets = append(n.Secrets, scope{f.analysis, f.file, j, s}.addPassed(nil, inventory.SecretUse{Name: r.name(), Expression: r.text, Role: roleCredentials})...)
}

// carriesAt tells whether a place is in a login with a credential, or in what is converted with one.
func (f *finder) carriesAt(value *yaml.Node, at int, s *step) bool {
	return slices.ContainsFunc(f.findings, func(n *finding) bool {
		switch {
		case n.secretless():
			return false
		case s != nil && n.step == s && n.Kind == inventory.KindDockerACRSP:
			return true // the user name goes with the password
		case n.Kind == inventory.KindCredsJSONParts && n.idRole == "" && providerID(n.entry.parent, value):
			return true
		}
		return n.start <= at && at < n.end
	})
}

// providerID tells whether a value is an id that the provider reads beside a client secret, which goes with it.
func providerID(env, value *yaml.Node) bool {
	return slices.ContainsFunc(entries(env), func(e entry) bool {
		return e.value == value && slices.Contains(providerIDs, strings.ToUpper(e.key.Value))
	})
}

// classifyJSONID treats an id that is taken out of a credentials JSON.
func (a *analysis) classifyJSONID(f *finding) {
	what := map[string]string{roleClientID: "client id", roleTenantID: "tenant id", roleSubscriptionID: "subscription id"}[f.idRole]
	reason := fmt.Sprintf("the %s is taken out of the credentials JSON, whose secret has to stay while this reads it", what)
	steps := []string{"Read the id from a variable (vars.AZURE_CLIENT_ID and so on) in place of the JSON."}
	if !f.exact || f.file.action || f.file.has("workflow_call") {
		f.manual(reason, steps...)
		return
	}
	f.assisted("the "+what+" is taken out of the credentials JSON; it can come from a variable", jsonIDToVariable)
	f.needsToken = nil
}

// jsonIDToVariable puts a variable in the place of an id that is taken out of a credentials JSON.
func jsonIDToVariable(r *rewriter, f *finding) error {
	n := r.names(f)
	id := map[string]string{roleClientID: n.ClientID, roleTenantID: n.TenantID, roleSubscriptionID: n.SubscriptionID}[f.idRole]
	if id == "" {
		return fmt.Errorf("the subscription is not known")
	}
	text := id
	if isExpression(id) {
		text = "${{ " + id + " }}"
	}
	r.edit(f.file, f.ID, f.start, f.end, text, "the id is no secret: it comes from a variable")
	return nil
}
