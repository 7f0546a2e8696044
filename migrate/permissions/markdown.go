package permissions

import (
	"fmt"
	"strings"
)

// Markdown writes the tables of docs/permissions.md.
func Markdown() string {
	var b strings.Builder
	for _, phase := range Phases() {
		fmt.Fprintf(&b, "## %s\n\n| system | permission | classic scope, or OAuth scope | used for | without it |\n|---|---|---|---|---|\n", phaseTitle(phase))
		for _, p := range Needed(phase) {
			name := "`" + p.Name + "`"
			if p.Optional {
				name += " (optional)"
			}
			if p.Person != "" {
				name += "; a person: " + p.Person
			}
			scope := ""
			if p.Scope != "" {
				scope = "`" + strings.ReplaceAll(p.Scope, ", ", "`, `") + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", p.System.Title(), name, scope, p.For, p.Without)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func phaseTitle(p Phase) string {
	switch p {
	case Scan:
		return "Scan, identify, plan, report, check, verify"
	case Apply:
		return "Apply"
	case Probe:
		return "Identify with --probe"
	default:
		return "Revoke"
	}
}
