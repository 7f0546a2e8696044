package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// maxMarkdownRows keeps a job summary under GitHub's limit of 1 MiB (github/docs, "Adding a job summary").
const maxMarkdownRows = 200

// Markdown writes a summary for a job or a ticket: the counts, then the findings in a table for each severity.
func Markdown(w io.Writer, in Input) error {
	s := Summarize(in)
	var b strings.Builder
	fmt.Fprintf(&b, "# Stored Azure credentials\n\nScanned %s with unsecret %s.\n\n", in.Inventory.ScannedAt.UTC().Format("2006-01-02 15:04 UTC"), escape(in.Tool))
	b.WriteString("| | found | with a stored secret |\n|---|---:|---:|\n")
	fmt.Fprintf(&b, "| service connections | %d | %d |\n| logins in workflows | %d | %d |\n| applications | %d | |\n| live credentials | %d | |\n| **not readable** | %d | |\n\n",
		s.Connections, s.ConnectionsStill, s.Logins, s.LoginsStill, s.Identities, s.Credentials, s.Gaps)
	b.WriteString("| severity | findings |\n|---|---:|\n")
	for _, v := range policy.Severities() {
		fmt.Fprintf(&b, "| %s | %d |\n", v, s.Findings[v])
	}
	if s.Excepted > 0 {
		fmt.Fprintf(&b, "\n%d findings are excepted by the configuration.\n", s.Excepted)
	}
	rows := 0
	for _, g := range byRule(in.Findings) {
		fmt.Fprintf(&b, "\n## %s: %s (%d)\n\n%s\n\n| where | what |\n|---|---|\n", g.Severity, escape(g.Rule.Name), len(g.Findings), escape(g.Rule.Text))
		for i, f := range g.Findings {
			if rows++; rows > maxMarkdownRows {
				fmt.Fprintf(&b, "| … | %d more |\n", len(g.Findings)-i)
				break
			}
			fmt.Fprintf(&b, "| %s | %s |\n", escape(place(f)), escape(f.Message))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// escape makes a text from outside plain in Markdown: no markup, no HTML, no link, no mention, no table cell end.
func escape(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
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
			b.WriteString("&#64;") // no one is notified by a report
		case r == ':':
			b.WriteString("&#58;") // no automatic link
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
