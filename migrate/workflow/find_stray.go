package workflow

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// strayReads finds credentials in scripts that no known command takes: the secret must not be deleted while they are there.
func (f *finder) strayReads(s *step) {
	if s.run.value != nil {
		f.strayReadsOf(s, s.run)
		return
	}
	own, _, _ := s.scriptInput()
	for _, e := range s.withParams {
		if e.key == own.key || isScript(e) {
			f.strayReadsOf(s, e)
		}
	}
}

// isScript tells whether an input of an action is called a script.
func isScript(input entry) bool { return containsFold(input.key.Value, "script") }

func (f *finder) strayReadsOf(s *step, e entry) {
	value := text(e.value)
	if !strings.Contains(value, "secrets") {
		return
	}
	for _, seg := range segments(value) {
		for _, r := range seg.refs {
			if role := f.credentialRole(r); role != "" {
				f.strayRead(s, e, value, seg, r, role)
				break
			}
		}
	}
}

// credentialRole tells whether a read gives a credential of a service principal, going by how the secret is used elsewhere and by its name.
func (f *finder) credentialRole(r ref) string {
	if r.context != "secrets" || r.index != nil || r.whole {
		return ""
	}
	if r.property != "" {
		if roleOfProperty(r.property) == roleClientSecret {
			return roleClientSecret
		}
		return ""
	}
	upper := strings.ToUpper(r.name())
	switch {
	case f.jsonSecrets[upper] || namesCredentials(r.name()):
		return roleCredentials
	case f.clientSecrets[upper] || namesClientSecret(r.name()):
		return roleClientSecret
	}
	return ""
}

func (f *finder) strayRead(s *step, e entry, value string, seg segment, r ref, role string) {
	if f.full() {
		return
	}
	start, ok := f.file.source(e.value, seg.start)
	end, _ := f.file.source(e.value, seg.end)
	if !ok {
		start, end = f.file.start(e.key), f.file.end(e.raw)
	}
	line := value[strings.LastIndexByte(value[:seg.start], '\n')+1:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	if strings.HasPrefix(strings.TrimSpace(line), "#") || f.covered(start, s, r) {
		return
	}
	kind := inventory.KindOther
	if role == roleCredentials && containsAny(value, []string{"jq ", "ConvertFrom-Json", "clientSecret", "json.loads", "JSON.parse"}) || r.property != "" {
		kind = inventory.KindCredsJSONParts
	}
	n := f.atRange(kind, e, max(start, end), start, s.job, s)
	if n != nil {
		n.Secrets = append(n.Secrets, scope{f.analysis, f.file, s.job, s}.read(nil, r, role, 0)...)
		n.stray, n.tests = true, containsAny(line, emptyTests)
	}
}

// covered tells whether a place is inside a finding, or hands a secret to a variable that a finding of the same script reads.
func (f *finder) covered(at int, s *step, r ref) bool {
	read := scope{f.analysis, f.file, s.job, s}.read(nil, r, "", 0)
	for _, n := range f.findings {
		if n.start <= at && at < n.end {
			return true
		}
		for _, use := range n.Secrets {
			if n.step == s && n.script != nil && !n.stray && names(read, use.Name) {
				return true
			}
		}
	}
	return false
}

// names tells whether a secret is among uses.
func names(list []inventory.SecretUse, name string) bool {
	return slices.ContainsFunc(list, func(u inventory.SecretUse) bool { return strings.EqualFold(u.Name, name) })
}

// strayVariable tells whether a variable holds a client secret that something else reads than the logins that were found, or may read, or
// that nothing does.
func (f *finder) strayVariable(in scope, name string, r ref) bool {
	if f.credentialRole(r) != roleClientSecret || r.property != "" {
		return false
	}
	return in.mayBeReadUnseen() && !f.keptBy(in.step, r.name()) || !f.readByLogins(name, in.job, in.step)
}

// keptBy tells whether a step has a login that reads a secret in a way that has no automatic form: the secret stays for that anyway.
func (f *finder) keptBy(s *step, secret string) bool {
	return s != nil && slices.ContainsFunc(f.findings, func(n *finding) bool {
		return n.step == s && n.Kind == inventory.KindOther && names(n.Secrets, secret)
	})
}
