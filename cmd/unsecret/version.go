package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Set by the release build.
var (
	version = "dev"
	commit  = ""
	date    = ""
)

// toolName is how the program names itself in what it writes.
func toolName() string { return "unsecret " + version }

func newVersion(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output, "table", "json"); err != nil {
				return err
			}
			if output == "json" {
				return a.printJSON(map[string]string{"version": version, "commit": commit, "date": date, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			line := toolName()
			if commit != "" {
				line += fmt.Sprintf(" (%.12s, %s)", commit, date)
			}
			fmt.Fprintln(a.std.out, line)
			return nil
		},
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}
