package execute

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const (
	requestTitle = "Sign in to Azure without a stored secret"
	revertTitle  = "Go back to signing in to Azure with the stored secret"
)

// body explains a pull request to its reviewer. Everything that comes from outside is escaped: a repository's file names
// and jobs are written by whoever can push to it.
func (e *Executor) body(p *proposal) string {
	var b strings.Builder
	workflows, before, after, renames := p.kinds()
	if workflows {
		b.WriteString("This pull request takes the workflows below off stored Azure credentials. They sign in by workload identity federation instead: " +
			"GitHub gives each job a token that says where it comes from, and Azure trusts exactly the ones listed here.\n")
	}
	if before || after {
		b.WriteString("This pull request changes steps of Azure Pipelines that do not work with a service connection which uses workload identity federation instead of a stored secret.\n")
	}
	if renames {
		b.WriteString("This pull request lets pipelines name service connections that were made in place of others. They sign in to the same registries as the same identity, by workload identity federation " +
			"instead of a stored secret, and have the same permissions and checks. The old ones work as before until the old secret is revoked.\n")
	}
	b.WriteString("\n## What changes\n\n")
	for _, path := range slices.Sorted(maps.Keys(p.next.edits)) {
		writeEdits(&b, path, p)
	}
	writeLeft(&b, p)
	if workflows {
		e.writeTrust(&b, p)
	}
	b.WriteString("\n## What happens next\n\n")
	switch {
	case after:
		b.WriteString("1. Review and merge this pull request soon. The service connections are converted already: until the merge the steps of Azure Pipelines above fail.\n" +
			"2. After the merge `unsecret verify` tests the connections.\n")
	case before && !workflows:
		b.WriteString("1. Review and merge this pull request. The new text works with the stored secret, too, so that nothing fails meanwhile.\n" +
			"2. After the merge `unsecret apply` converts the service connections, and `unsecret verify` tests them.\n")
	case renames && !workflows:
		b.WriteString("1. Review and merge this pull request. Nothing fails meanwhile: both connections work.\n" +
			"2. After the merge `unsecret verify` tests the new connections.\n")
	default:
		b.WriteString("1. Review and merge this pull request. Until then nothing has changed: the federated credentials and variables are there already, and the secret still works.\n" +
			"2. After the merge `unsecret verify` looks for a green run or a federated sign-in of every workflow.\n")
	}
	b.WriteString(fmt.Sprintf("3. When %s have passed without anybody using the old secret, `unsecret revoke` removes it.\n", days(e.longestSoak(p.units))) +
		"\n## If something goes wrong\n\nClose this pull request, or after the merge revert it: the old secret works until it is revoked. `unsecret rollback` does both and cleans up.\n")
	fmt.Fprintf(&b, "\n<sub>Plan %s</sub>\n", e.hash[:12])
	return b.String()
}

// kinds tells what a proposal rewrites: workflows, pipelines before or after the conversion of their connections, and names of connections.
func (p *proposal) kinds() (workflows, before, after, renames bool) {
	for _, l := range p.logins {
		switch {
		case !p.steps[l]:
			workflows = true
		case p.renames[l].To != "":
			renames = true
		case p.both[l]:
			before = true
		default:
			after = true
		}
	}
	return workflows, before, after, renames
}

// longestSoak is how long the old secrets of several units are kept.
func (e *Executor) longestSoak(units []string) time.Duration {
	var longest time.Duration
	for _, id := range units {
		if u, ok := e.Plan.Unit(id); ok {
			longest = max(longest, time.Duration(e.soak(u).Time))
		}
	}
	return longest
}

func days(d time.Duration) string {
	if hours := int(d.Hours()); hours >= 48 && hours%24 == 0 {
		return fmt.Sprintf("%d days", hours/24)
	}
	return d.String()
}

func writeEdits(b *strings.Builder, path string, p *proposal) {
	fmt.Fprintf(b, "**%s**\n\n", mdCode(path))
	seen := map[string]bool{}
	for _, edit := range p.next.edits[path] {
		if edit.Login != "" && !slices.Contains(p.logins, edit.Login) {
			continue
		}
		line := fmt.Sprintf("- line %d: %s\n", edit.Line, mdText(edit.Reason))
		if !seen[line] {
			seen[line] = true
			b.WriteString(line)
		}
	}
	b.WriteString("\n")
}

func writeLeft(b *strings.Builder, p *proposal) {
	first := true
	for _, l := range p.logins {
		left, ok := p.next.left[l]
		if !ok {
			continue
		}
		if first {
			b.WriteString("## What is left as it is\n\n")
			first = false
		}
		fmt.Fprintf(b, "- %s: %s\n", mdCode(string(l)), mdText(left.reason))
		for _, m := range left.manual {
			fmt.Fprintf(b, "  - %s\n", mdText(m))
		}
	}
}

// writeTrust lists the subjects that Azure trusts for these logins.
func (e *Executor) writeTrust(b *strings.Builder, p *proposal) {
	b.WriteString("\n## What Azure trusts\n\n| identity | subject of the token | federated credential |\n|---|---|---|\n")
	for _, id := range p.units {
		u, ok := e.Plan.Unit(id)
		if !ok {
			continue
		}
		for _, c := range u.Coverage {
			if slices.ContainsFunc(p.logins, func(l inventory.LoginID) bool { return slices.Contains(c.For, string(l)) }) {
				fmt.Fprintf(b, "| %s | %s | %s |\n", mdText(u.Title), mdCell(c.Subject), mdCell(c.By))
			}
		}
	}
}

// revertBody explains a pull request that undoes one.
func revertBody(p *proposal) string {
	var b strings.Builder
	b.WriteString("This pull request takes back a migration to workload identity federation, because a rollback was asked for. The workflows and pipelines sign in with the stored secret again, which has been put back.\n\n## What changes\n\n")
	for _, path := range changed(p.now, p.next) {
		fmt.Fprintf(&b, "- %s gets back the sign-ins that it had before\n", mdCode(path))
	}
	b.WriteString("\nRun `unsecret rollback` again after the merge: it then removes the variables and federated credentials that nothing needs any more.\n")
	return b.String()
}

// mdText makes outside text harmless in Markdown: no markup, no HTML, no mention, no line break.
func mdText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_{}[]()<>#+!|~&", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "://", ":\u200b//")
}

// mdCode is outside text as a code span. The fence is longer than any run of backticks inside.
func mdCode(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 || s == "" {
		s = " " + s + " "
	}
	return fence + s + fence
}

// mdCell is a code span inside a table, where a bar would end the cell even in code.
func mdCell(s string) string { return strings.ReplaceAll(mdCode(s), "|", "\\|") }
