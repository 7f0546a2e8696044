package simulate

import (
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

var (
	psSet     = lazy.Regexp(`^\s*(?:\[[\w.]+\])?\s*\$(env:|script:|global:)?(\w+)\s*=\s*(.*)$`)
	psSecure  = lazy.Regexp(`(?i)ConvertTo-SecureString\s+(?:-String\s+)?("[^"]*"|'[^']*'|\$[\w:{}]+|\S+)`)
	psCredNew = lazy.Regexp(`(?i)PSCredential\]?(?:::new)?\s*(?:-ArgumentList\s*)?\(?\s*("[^"]*"|'[^']*'|\$[\w:{}]+|[\w-]+)\s*,\s*(\(.*?\)|\$[\w:{}]+)`)
	psParam   = lazy.Regexp(`(?i)\s-(Tenant|TenantId|Credential|ApplicationId|FederatedToken|CertificateThumbprint|ServicePrincipal|Identity)\b(?:\s+(\(.*\)|"[^"]*"|'[^']*'|\$[\w:{}]+|[^\s-]\S*))?`)
)

// powershell takes assignments and Connect-AzAccount; it reports whether the line is dealt with (connect does the
// rest).
func (sh *script) powershell(line string) bool {
	if m := psSet().FindStringSubmatch(line); m != nil {
		sh.assign(m[2], strings.TrimSpace(m[3]))
	}
	return strings.Contains(strings.ToLower(line), "connect-azaccount") || psSet().MatchString(line)
}

func (sh *script) assign(name, rhs string) {
	low := strings.ToLower(name)
	if m := psCredNew().FindStringSubmatch(rhs); m != nil {
		sh.creds[low] = [2]string{sh.one(m[1]), sh.secureValue(m[2])}
		return
	}
	if psSecure().MatchString(rhs) {
		sh.secure[low] = sh.secureValue(rhs)
		return
	}
	sh.setLocal(name, sh.one(rhs))
}

// secureValue is the text inside a secure string: of a variable, or of ConvertTo-SecureString.
func (sh *script) secureValue(src string) string {
	if m := psSecure().FindStringSubmatch(src); m != nil {
		return sh.one(m[1])
	}
	if v, ok := sh.secure[strings.ToLower(strings.Trim(src, "$()"))]; ok {
		return v
	}
	return mark
}

// one is the value of an expression that is one text or one variable; everything else is unknown.
func (sh *script) one(src string) string {
	src = strings.TrimSpace(src)
	sp := &splitter{src: src, pwsh: true, lookup: sh.lookup, subst: func(string) string { return mark }}
	cmds := sp.split()
	if src == "" || src == `""` || src == "''" {
		return ""
	}
	if len(cmds) != 1 || len(cmds[0].words) != 1 || cmds[0].op != "" {
		return mark
	}
	if strings.HasPrefix(src, "(") || strings.HasPrefix(src, "[") {
		return mark
	}
	return cmds[0].words[0]
}

// connect is Connect-AzAccount -ServicePrincipal with a PSCredential or a federated token.
func (sh *script) connect(line string) error {
	at := strings.Index(strings.ToLower(line), "connect-azaccount")
	if at < 0 {
		return nil
	}
	params := map[string]string{}
	for _, m := range psParam().FindAllStringSubmatch(line[at:], -1) {
		params[strings.ToLower(m[1])] = m[2]
	}
	a := sh.a
	tenant := sh.one(orElse(params["tenant"], params["tenantid"]))
	if _, ok := params["federatedtoken"]; ok {
		sh.logins++
		return a.federated(orElse(tenant, mark), orElse(sh.one(params["applicationid"]), mark), "")
	}
	cred, ok := params["credential"]
	if _, sp := params["serviceprincipal"]; !sp || !ok {
		return nil
	}
	sh.logins++
	pair, ok := sh.creds[strings.ToLower(strings.Trim(cred, "$()"))]
	if m := psCredNew().FindStringSubmatch(cred); !ok && m != nil {
		pair, ok = [2]string{sh.one(m[1]), sh.secureValue(m[2])}, true
	}
	switch {
	case !ok:
		a.f.j.session = true
		return nil
	case pair[0] == "" || pair[1] == "" || tenant == "":
		return a.record(kindSecret, pair[0], says("Connect-AzAccount: the tenant, the application id or the secret is empty"))
	}
	return a.withSecret(tenant, pair[0], pair[1])
}
