package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
)

// newGenDocs writes what a release ships beside the binary. It is hidden: nobody needs it but the release.
func newGenDocs(a *app) *cobra.Command {
	var man, completions string
	cmd := &cobra.Command{
		Use:    "gen-docs",
		Short:  "Write man pages and shell completions",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if man != "" {
				if err := genMan(cmd.Root(), man); err != nil {
					return fmt.Errorf("write the man pages: %w", err)
				}
			}
			if completions != "" {
				if err := genCompletions(cmd.Root(), completions); err != nil {
					return fmt.Errorf("write the completions: %w", err)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&man, "man", "", "`directory` for the man pages")
	cmd.Flags().StringVar(&completions, "completions", "", "`directory` for the shell completions")
	return cmd
}

func genCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, gen := range map[string]func(string) error{
		"unsecret.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"unsecret.zsh":  root.GenZshCompletionFile,
		"unsecret.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
		"unsecret.ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := gen(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// genMan writes one page for each command in the man macro package. cobra's own generator would add a Markdown
// converter to the dependencies of the binary.
func genMan(cmd *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(cmd, name)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.Hidden {
			continue
		}
		if err := genMan(c, dir); err != nil {
			return err
		}
	}
	return nil
}

func manPage(cmd *cobra.Command, name string) string {
	var b strings.Builder
	section := func(title, body string) {
		if strings.TrimSpace(body) != "" {
			fmt.Fprintf(&b, ".SH %s\n.nf\n%s\n.fi\n", title, roff(strings.Trim(body, "\n")))
		}
	}
	fmt.Fprintf(&b, ".TH %q 1 \"\" \"unsecret %s\" \"unsecret\"\n", strings.ToUpper(name), build.Version())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	section("SYNOPSIS", cmd.UseLine())
	section("DESCRIPTION", reflow(cmd.Long))
	section("EXAMPLES", cmd.Example)
	section("OPTIONS", flagUsages(cmd.LocalFlags().FlagUsagesWrapped))
	section("GLOBAL OPTIONS", flagUsages(cmd.InheritedFlags().FlagUsagesWrapped))
	return b.String()
}

// roff escapes what the macro package would read as commands.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
