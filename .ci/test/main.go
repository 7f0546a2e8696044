// Command test passes all the tests: go run ./.ci/test. It needs nothing but Go; what the tests use beside it
// (a Chromium, to look at the HTML report as a reader does; Azurite, for a state in Azure Blob Storage) it installs
// where that can be done without asking,
// and otherwise points out. Arguments are handed to go test.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/azurite"
)

func main() {
	ensureChromium()
	ensureAzurite()
	// Vetting the Graph SDK's dependants again for every test binary costs minutes; `go vet ./...` does it once.
	// The journeys alone take minutes on two cores, and more with -race on a busy machine: Go's ten minutes for a package are close.
	args := append([]string{"test", "-vet=off", "-timeout=30m"}, os.Args[1:]...)
	if !hasPackage(os.Args[1:]) {
		args = append(args, "./...")
	}
	fmt.Println("go", strings.Join(args, " "))
	if err := run("go", args...); err != nil {
		os.Exit(1)
	}
}

func hasPackage(args []string) bool {
	for _, a := range args {
		if strings.HasPrefix(a, "./") {
			return true
		}
	}
	return false
}

func ensureChromium() {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	if _, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 {
		fmt.Println("installing chromium, which the report's tests look through")
		if run("apt-get", "-qq", "update") == nil && run("apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium") == nil {
			return
		}
	}
	fmt.Println("no Chromium found: the tests that open the HTML report will skip. Install the package chromium to run them.")
}

// ensureAzurite installs Microsoft's emulator of Azure Storage from npm into the user's cache directory.
func ensureAzurite() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := azurite.Install(ctx); err != nil {
		fmt.Printf("%v: the tests of a state in Azure Blob Storage will skip. Install Node.js to run them.\n", err)
	}
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
