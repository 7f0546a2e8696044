package pipeline

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// scriptEdit is a change inside a script's text.
type scriptEdit struct {
	start, end int
	text       string
	review     bool // a person has to look at it
	reason     string
}

// rule is one form in which scripts hand the key on, and what replaces it. Groups of the pattern: 1 is what comes before the key's
// place, 2 an opening quote.
type rule struct {
	shell   script.Shell
	pattern func() *regexp.Regexp
	replace string
	review  bool
	reason  string
}

const terraformReason = "Terraform signs in with the federated token; needs azurerm provider 3.7 and Terraform 1.3 or later"

// rules are the closed forms (Microsoft Learn: AzureCLI@2, addSpnToEnvironment; HashiCorp: azurerm provider, "Authenticating using a
// Service Principal and OpenID Connect"). A script is changed only where all of its reads of the key are among them.
var rules = []rule{
	{script.Bash, lazy.Regexp(`(^|[\s;&])ARM_CLIENT_SECRET=("?)\$(?:servicePrincipalKey\b|\{servicePrincipalKey\})("?)`), `${1}ARM_USE_OIDC=true ARM_OIDC_TOKEN=${2}$$idToken${3}`, true, terraformReason},
	{script.Bash, lazy.Regexp(`(-backend-config(?:=|\s+))("?)client_secret=("?)\$(?:servicePrincipalKey\b|\{servicePrincipalKey\})("?)`), `${1}${2}use_oidc=true${4} ${1}${2}oidc_token=${3}$$idToken${4}`, true, terraformReason},
	{script.Bash, lazy.Regexp(`(\s)(?:-p|--password)(?:=|\s+)("?)\$(?:servicePrincipalKey\b|\{servicePrincipalKey\})("?)`), `${1}--federated-token ${2}$$idToken${3}`, false, "Azure CLI signs in with the federated token"},
	{script.PowerShell, lazy.Regexp(`(?i)\$env:ARM_CLIENT_SECRET(\s*=\s*)("?)\$(?:env:servicePrincipalKey\b|\{env:servicePrincipalKey\})("?)`), `$$env:ARM_USE_OIDC${1}'true'; $$env:ARM_OIDC_TOKEN${1}${2}$$env:idToken${3}`, true, terraformReason},
	{script.PowerShell, lazy.Regexp(`(?i)(\s)(?:-p|--password)(?:=|\s+)("?)\$(?:env:servicePrincipalKey\b|\{env:servicePrincipalKey\})("?)`), `${1}--federated-token ${2}$$env:idToken${3}`, false, "Azure CLI signs in with the federated token"},
	{script.Cmd, lazy.Regexp(`(?i)\bset ARM_CLIENT_SECRET=%servicePrincipalKey%`), `set ARM_USE_OIDC=true& set ARM_OIDC_TOKEN=%idToken%`, true, terraformReason},
	{script.Cmd, lazy.Regexp(`(?i)(\s)(?:-p|--password)(?:=|\s+)("?)%servicePrincipalKey%("?)`), `${1}--federated-token ${2}%idToken%${3}`, false, "Azure CLI signs in with the federated token"},
}

const scriptManual = "use idToken instead of servicePrincipalKey: ARM_USE_OIDC=true and ARM_OIDC_TOKEN=$idToken for Terraform, az login --service-principal --federated-token $idToken for Azure CLI; then drop what stores the key"

// scripts plans the changes of a step's scripts that read the connection's key.
func (w *rewriter) scripts(s *step) {
	if !s.key || len(s.connected) > 0 && !w.concerned(s) {
		return
	}
	for _, t := range s.scripts {
		if !keyRead().MatchString(code(t)) {
			continue
		}
		if why := w.script(s, t); why != "" {
			w.leave(s, RuleKeyRead, why, scriptManual)
		}
	}
}

// script plans the changes of one script, or tells why it is left.
func (w *rewriter) script(s *step, t scriptText) string {
	if why := w.refuses(s, t); why != "" {
		return why
	}
	handed, changes, why := handOn(s, t)
	if why != "" {
		return why
	}
	if len(changes) > 0 {
		if why := w.handedBeside(s); why != "" {
			return why
		}
	}
	edits, why := closedForms(t, handed)
	if why != "" {
		return why
	}
	segments, ok := t.origin.doc.verbatim(t.origin.n)
	if !ok {
		return "the script stands in the file in a form (folded or with escapes) that is not edited"
	}
	for _, e := range edits {
		if e.review && w.options.Level < LevelNeedsReview {
			return "left at level safe: " + e.reason
		}
		if _, ok := find(segments, e); !ok {
			return "the script stands in the file in a form that is not edited"
		}
	}
	for _, c := range changes {
		if why := w.editable(c.at); why != "" {
			return "a later step that reads the key is left, since " + why
		}
	}
	for _, c := range changes {
		w.edit(s, c.at.doc, c.edit)
	}
	for _, e := range edits {
		at, _ := find(segments, e)
		w.edit(s, t.origin.doc, Edit{Start: at, End: at + e.end - e.start, New: e.text, Rule: RuleKeyRead, Reason: e.reason})
	}
	w.settle(s, RuleKeyRead)
	return ""
}

// handedBeside tells whether another step of the job, which is not rewritten, may hand the key on to the same later steps.
func (w *rewriter) handedBeside(s *step) string {
	for _, other := range s.context.job.steps {
		if other == s || w.concerned(other) || !other.key {
			continue
		}
		return fmt.Sprintf("the step %s, which is not rewritten, reads the key too", other.label)
	}
	return ""
}

// refuses tells why a script is of no kind that is changed.
func (w *rewriter) refuses(s *step, t scriptText) string {
	switch {
	case !s.task.is("AzureCLI") || !s.spn:
		return "the script reads servicePrincipalKey, but is not one of an AzureCLI task with addSpnToEnvironment"
	case s.task.major < 2:
		return "only AzureCLI@2 and later are known to hand out idToken"
	case s.token:
		return "the script reads idToken already, beside servicePrincipalKey"
	case t.path != "":
		return "the script is a file of its own, " + t.path
	}
	if why := w.editable(t.origin); why != "" {
		return "the script is left, since " + why
	}
	return ""
}

// find gives the file's offset of a change.
func find(segments []segment, e scriptEdit) (int, bool) {
	for _, s := range segments {
		if e.start >= s.value && e.end <= s.value+s.length {
			return s.src + e.start - s.value, true
		}
	}
	return 0, false
}

// closedForms gives the changes of a script, or why they would not be the whole of it.
func closedForms(t scriptText, edits []scriptEdit) ([]scriptEdit, string) {
	text := code(t)
	signsIn := loginLines(t)
	for at := 0; at < len(text); {
		line, _, _ := strings.Cut(text[at:], "\n")
		for _, r := range rules {
			if r.shell != t.shell || strings.Contains(r.replace, "--federated-token") && !signsIn(at, at+len(line)) {
				continue
			}
			for _, m := range r.pattern().FindAllStringSubmatchIndex(line, -1) {
				edits = append(edits, scriptEdit{start: at + m[0], end: at + m[1], text: string(r.pattern().ExpandString(nil, r.replace, line, m)), review: r.review, reason: r.reason})
			}
		}
		at += len(line) + 1
	}
	reads := keyRead().FindAllStringIndex(text, -1)
	for _, read := range reads {
		if !covered(edits, read) {
			return nil, "the script uses servicePrincipalKey in a form that is not rewritten"
		}
	}
	for _, m := range armSecret().FindAllStringIndex(text, -1) {
		if !covered(edits, m) {
			return nil, "the script uses ARM_CLIENT_SECRET in more than one place"
		}
	}
	return edits, ""
}

var armSecret = lazy.Regexp(`(?i)ARM_CLIENT_SECRET`)

func covered(edits []scriptEdit, at []int) bool {
	for _, e := range edits {
		if e.start <= at[0] && at[1] <= e.end {
			return true
		}
	}
	return false
}

// loginLines tells which parts of a script belong to az login --service-principal.
func loginLines(t scriptText) func(from, to int) bool {
	var spans [][2]int
	for _, c := range script.Find(t.shell, masked(t.text)).Commands {
		if c.Is("az", "login") && c.Has("--service-principal") {
			spans = append(spans, [2]int{c.Start, c.End})
		}
	}
	return func(from, to int) bool {
		for _, s := range spans {
			if s[0] < to && from < s[1] {
				return true
			}
		}
		return false
	}
}
