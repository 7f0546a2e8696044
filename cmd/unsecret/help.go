package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// setHelp gives all commands a help text that fits 80 columns and names the groups of commands.
func setHelp(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		w := cmd.OutOrStdout()
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintln(w, reflow(text))
		fmt.Fprintln(w)
		usage(w, cmd)
	})
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		usage(cmd.OutOrStderr(), cmd)
		return nil
	})
}

// reflow fills paragraphs to 80 columns. Lines that are indented stay as they are: examples, drawings and tables.
func reflow(text string) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, wrap(strings.Join(paragraph, " "), lineWidth)...)
			paragraph = nil
		}
	}
	for l := range strings.SplitSeq(text, "\n") {
		if l == "" || strings.HasPrefix(l, " ") || strings.HasSuffix(l, ":") && len(paragraph) == 0 {
			flush()
			out = append(out, l)
			continue
		}
		paragraph = append(paragraph, l)
	}
	flush()
	return strings.Join(out, "\n")
}

func usage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
	for _, g := range cmd.Groups() {
		fmt.Fprintf(w, "\n%s\n", g.Title)
		for _, c := range cmd.Commands() {
			if c.GroupID == g.ID && c.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-11s %s\n", c.Name(), c.Short)
			}
		}
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", flagUsages(cmd.LocalFlags().FlagUsagesWrapped))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(w, "\nGlobal flags:\n%s", flagUsages(cmd.InheritedFlags().FlagUsagesWrapped))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nMore about a command: %s COMMAND --help\n", cmd.CommandPath())
	}
}

// flagUsages wraps the flags' texts. The flag library lets a line run over by a few characters rather than leave a
// short word alone, so the width is taken down until all lines fit.
func flagUsages(render func(width int) string) string {
	for width := lineWidth; width > lineWidth/2; width-- {
		if s := render(width); widest(s) <= lineWidth {
			return s
		}
	}
	return render(lineWidth)
}

func widest(s string) int {
	n := 0
	for l := range strings.SplitSeq(s, "\n") {
		n = max(n, utf8.RuneCountInString(l))
	}
	return n
}
