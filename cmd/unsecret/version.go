package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
)

// toolName is how the program names itself in what it writes.
func toolName() string { return "unsecret " + build.Version() }

// newVersion gives the command. Without a flag it is never reached: the package build answers while the program starts.
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
				return a.printJSON(map[string]string{"version": build.Version(), "commit": build.Commit(), "date": build.Date(),
					"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			fmt.Fprintln(a.std.out, build.Line())
			return nil
		},
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}
