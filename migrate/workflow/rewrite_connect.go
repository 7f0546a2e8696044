package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// connectPlan is how a Connect-AzAccount is replaced: the lines that go, and the script's text that makes the credential.
type connectPlan struct {
	lines [][2]int // of the file
	made  string
}

// connectPlan recognises the closed form: a literal PowerShell script at whose top a credential is made of secrets by plain
// assignments, used for nothing else, and followed by the command. It gives nil for any other form.
func (f *finding) connectPlan() *connectPlan {
	c, r := f.command, f.script
	if f.foreignCloud() || !c.Certain || !f.exact || r.shell != script.PowerShell || !c.Simple || f.Identity.ClientID == "" {
		return nil
	}
	start, end, ok := f.commandLines()
	if !ok {
		return nil
	}
	plan := &connectPlan{lines: [][2]int{{start, end}}}
	made := make(map[string]bool)
	for _, other := range r.Commands {
		if other.Start >= c.Start {
			break
		}
		a, ok := f.assignmentOf(other)
		if !ok || !credentialCommands[other.Name] && !prelude[other.Name] {
			if !prelude[other.Name] {
				return nil
			}
			continue
		}
		at, _ := f.file.source(r.entry.value, a.Start)
		if _, alone := f.file.indent(at); !alone {
			return nil
		}
		made[a.Name] = true
		plan.made += r.text[a.Start:other.End] + "\n"
		plan.lines = append(plan.lines, [2]int{f.file.lineStart(at), f.file.nextLine(at)})
	}
	for name := range made {
		if strings.Contains(r.text[c.End:], "$"+name) {
			return nil
		}
	}
	if len(made) == 0 || r.inline && f.onlyLines(plan.lines) {
		return nil
	}
	return plan
}

// onlyLines tells whether nothing of a literal script is left without some of its lines.
func (f *finding) onlyLines(lines [][2]int) bool {
	d, value := f.file, f.script.entry.value
	for at := d.nextLine(d.content(value)); at < d.end(value); at = d.nextLine(at) {
		gone := slices.ContainsFunc(lines, func(l [2]int) bool { return l[0] <= at && at < l[1] })
		if !gone && strings.TrimSpace(string(d.src[at:d.lineEnd(at)])) != "" {
			return false
		}
	}
	return true
}

var (
	credentialCommands = map[string]bool{"convertto-securestring": true, "new-object": true}
	prelude            = map[string]bool{"write-host": true, "write-output": true, "set-strictmode": true}
)

func (f *finding) assignmentOf(c script.Command) (script.Assignment, bool) {
	for _, a := range f.script.Assignments {
		if a.Value.Start <= c.Start && c.End <= a.End+len(f.script.text) && a.Value.Start == c.Start {
			return a, true
		}
	}
	return script.Assignment{}, false
}

var credentialForm = lazy.Regexp(`(?i)PSCredential['"]?\s*(?:\]::new)?(?:-ArgumentList\s*)?\(?\s*@?\(?\s*([^,()\s]+(?:\s[^,()]*\}\})?['"]?)\s*,`)

// credentialUser finds the client id that a PSCredential is made with, as it is written.
func (r *runScript) credentialUser() string {
	if m := credentialForm().FindStringSubmatch(r.text); m != nil {
		return unquote(strings.TrimSpace(m[1]))
	}
	return ""
}

func (r *rewriter) connectToLogin(f *finding, p *connectPlan) error {
	if f.Identity.ClientID == "" {
		return fmt.Errorf("the client id is made by the script")
	}
	inputs, err := r.scriptLogin(f)
	if err != nil {
		return err
	}
	const reason = "sign in with OIDC instead of a stored credential"
	inputs = append(inputs, [2]string{"enable-AzPSSession", "true"})
	if f.onlyLines(p.lines) {
		if err := r.stepToLogin(f, inputs, reason); err != nil {
			return err
		}
		return r.dropRead(f, p.made)
	}
	if err := r.insertLogin(f, inputs, reason); err != nil {
		return err
	}
	for _, l := range p.lines {
		r.edit(f.file, f.ID, l[0], l[1], "", "azure/login before the step has signed in")
	}
	return r.dropRead(f, p.made)
}
