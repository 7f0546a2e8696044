package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

func newPermissions(a *app) *cobra.Command {
	var phase, format string
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "Print the least privilege that each phase needs",
		Long: `Prints what unsecret needs in each system, what is missing without it, and how it is granted: as
text, as JSON, or as a script for the Azure CLI or a Bicep file that grants what can be granted
so. What has no such command (Azure DevOps, GitHub) stands in both as a comment. unsecret
doctor says which of it is missing. Reads nothing.`,
		Example: `  unsecret permissions --for scan
  unsecret permissions --for scan --format az > grant.sh`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.permissions(phase, format) },
	}
	f := cmd.Flags()
	f.StringVar(&phase, "for", "", "only this `phase`: scan, apply, revoke, probe")
	f.StringVar(&format, "format", "text", "`format`: text, json, az, bicep")
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"scan", "apply", "revoke", "probe"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json", "az", "bicep"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) permissions(name, format string) error {
	phase, err := permissions.ParsePhase(name)
	if err != nil {
		return usageErrorf("invalid argument for --for: %w", err)
	}
	switch format {
	case "text":
		printPermissions(a.std.out, phase)
	case "json":
		return a.printJSON(permissions.Needed(phase))
	case "az":
		fmt.Fprint(a.std.out, permissions.AzureCLI(phase))
	case "bicep":
		fmt.Fprint(a.std.out, permissions.Bicep(phase))
	default:
		return usageErrorf("invalid argument %q for --format: it must be one of text, json, az, bicep", format)
	}
	return nil
}

func printPermissions(w io.Writer, phase permissions.Phase) {
	last := permissions.System("")
	for _, p := range permissions.Needed(phase) {
		if p.System != last {
			if last != "" {
				fmt.Fprintln(w)
			}
			fmt.Fprintln(w, p.System.Title())
		}
		last = p.System
		name := p.Name
		if p.Scope != "" {
			name += " (" + p.Scope + ")"
		}
		if p.Optional {
			name += ", optional"
		}
		bullet(w, "  · ", name)
		if phase == "" {
			bullet(w, "      phases   ", phaseList(p.Phases))
		}
		bullet(w, "      for      ", p.For)
		bullet(w, "      without  ", p.Without)
		if p.Person != "" {
			bullet(w, "      a person ", p.Person)
		}
		for _, g := range p.Grant {
			bullet(w, "      → ", g)
		}
	}
}

func phaseList(list []permissions.Phase) string {
	text := ""
	for i, p := range list {
		if i > 0 {
			text += ", "
		}
		text += string(p)
	}
	return text
}
