package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// A job summary may have 1 MiB (github/docs, "Adding a job summary"), and a person reads less.
const (
	maxMarkdownRows  = 200
	maxMarkdownBytes = 768 << 10
)

// Markdown writes a summary for a job or a ticket: the counts, then the findings in a table for each rule.
func Markdown(w io.Writer, in Input) error {
	s := Summarize(in)
	var b strings.Builder
	fmt.Fprintf(&b, "# Stored Azure credentials\n\n%s\n\nScanned %s with unsecret %s.\n\n", escape(headline(s)), in.Inventory.ScannedAt.UTC().Format("2006-01-02 15:04 UTC"), escape(in.Tool))
	if in.outdated() {
		fmt.Fprintf(&b, "**This is how it stood before the last change**, which was made %s. Scan again to see how it stands now.\n\n", in.ChangedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	markdownCounts(&b, s)
	markdownProgress(&b, in)
	markdownFindings(&b, byRule(in.Findings))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the Markdown report: %w", err)
	}
	return nil
}

func markdownCounts(b *strings.Builder, s Summary) {
	b.WriteString("| | found | with a stored credential |\n|---|---:|---:|\n")
	fmt.Fprintf(b, "| logins in workflows | %d | %d |\n| service connections | %d | %d |\n| – that store another credential, or may | | %d |\n| variables, secure files and scripts of Azure DevOps | | %d |\n| applications | %d | |\n| live passwords and certificates | %d | |\n| **not readable, so not known** | %d | |\n\n",
		s.Logins, s.LoginsStill, s.Connections, s.ConnectionsStill, s.ConnectionsOther, s.PipelineSecrets, s.Identities, s.Credentials, s.Gaps)
	b.WriteString("| severity | findings |\n|---|---:|\n")
	for _, v := range policy.Severities() {
		fmt.Fprintf(b, "| %s | %d |\n", v, s.Findings[v])
	}
	if s.Excepted > 0 {
		fmt.Fprintf(b, "\nNot counted, because the configuration accepts them: %s.\n", count(s.Excepted, "finding"))
	}
}

func markdownProgress(b *strings.Builder, in Input) {
	units := unitRows(in)
	if len(units) == 0 {
		return
	}
	b.WriteString("\n## Plan\n\n| unit | state | why |\n|---|---|---|\n")
	for i, u := range units {
		if i == maxMarkdownRows || b.Len() > maxMarkdownBytes/2 {
			fmt.Fprintf(b, "| … | | %d more |\n", len(units)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", escape(u.Title), escape(u.StateText()), escape(u.Why()))
	}
}

func markdownFindings(b *strings.Builder, groups []ruleGroup) {
	rows := 0
	for _, g := range groups {
		fmt.Fprintf(b, "\n## %s: %s (%d)\n\n%s\n", g.Severity, escape(g.Rule.Name), len(g.Findings), escape(g.Rule.Text))
		for _, r := range g.Rule.Remedy {
			fmt.Fprintf(b, "\n- %s", escape(r))
		}
		b.WriteString("\n\n| where | what |\n|---|---|\n")
		for i, f := range g.Findings {
			if rows++; rows > maxMarkdownRows || b.Len() > maxMarkdownBytes {
				fmt.Fprintf(b, "| … | %d more |\n", len(g.Findings)-i)
				break
			}
			what := escape(f.Message)
			for _, step := range g.Own(f) {
				what += " → " + escape(step)
			}
			fmt.Fprintf(b, "| %s | %s |\n", escape(place(f)), what)
		}
	}
}

var (
	// webAddress finds what GitHub makes a link of without a scheme (GFM, "Autolinks (extension)").
	webAddress = lazy.Regexp(`(?i)www\.`)
	// reference finds what GitHub makes a reference of: a mention, an issue.
	reference = lazy.Regexp(`(&#64;|\\#)([0-9A-Za-z])`)
)

// escape makes a text from outside plain in Markdown: no markup, no HTML, no link, no formula, no end of a table's
// cell. GitHub looks for mentions and issue numbers in the finished HTML, where escapes are gone; a space without
// width after the sign hides them there, so that no report ever notifies anyone.
func escape(s string) string {
	var b strings.Builder
	for _, r := range clip(s) {
		switch {
		case strings.ContainsRune("\\`*_{}[]()#+!|~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("&#64;")
		case r == ':':
			b.WriteString("&#58;")
		case r == '$':
			b.WriteString("&#36;")
		default:
			b.WriteRune(r)
		}
	}
	text := webAddress().ReplaceAllStringFunc(b.String(), func(w string) string { return w[:3] + "&#46;" })
	return reference().ReplaceAllString(text, "$1&#8203;$2")
}
