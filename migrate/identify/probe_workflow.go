package identify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// noticeTitle marks the annotations that a probe leaves.
const noticeTitle = "unsecret-probe"

// probeScript finds the client id in a secret's value and prints a digest of it, and nothing else. The value comes as a whole by
// the environment, where the runner masks it: an expression that takes it apart would put the client id, which nobody masks,
// into the log's list of variables. Nothing of it is an argument of a process: printf is a part of the shell.
const probeScript = `set -eu
id="$VALUE"
if [[ "$VALUE" =~ \"(clientId|appId)\"[[:space:]]*:[[:space:]]*\"([^\"]*)\" ]]; then
  id="${BASH_REMATCH[2]}"
fi
if [[ "$id" =~ ^[[:space:]]*([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})[[:space:]]*$ ]]; then
  digest="$(printf '%s:%s' "$SALT" "${BASH_REMATCH[1],,}" | sha256sum)"
  echo "::notice title=unsecret-probe::sha256 ${digest%% *}"
elif [[ -z "$VALUE" ]]; then
  echo "::notice title=unsecret-probe::empty"
else
  echo "::notice title=unsecret-probe::no client id"
fi
`

// probeWorkflow is the file that a probe's branch holds. It runs when its own branch is pushed, and nothing in it has a permission.
func probeWorkflow(id, salt, runsOn string, targets []Target) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by unsecret identify --probe, and removed again with its branch and its run. It prints a salted digest of the
# client id that each secret holds, and nothing that can be read.
name: unsecret probe %[1]s
on:
  push:
    branches: [%[2]s]
permissions: {}
jobs:
`, id, probeBranch(id))
	for i, t := range targets {
		fmt.Fprintf(&b, "  %s:\n    runs-on: %s\n    timeout-minutes: 5\n", jobName(i), runsOn)
		if t.Environment != "" {
			fmt.Fprintf(&b, "    environment: '%s'\n", t.Environment)
		}
		fmt.Fprintf(&b, "    steps:\n      - name: Print a salted digest\n        shell: bash\n        env:\n          SALT: '%s'\n          VALUE: ${{ secrets.%s }}\n        run: |\n", salt, t.Secret)
		for line := range strings.Lines(probeScript) {
			b.WriteString("          " + line)
		}
	}
	return []byte(b.String())
}

var label = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// RunnerLabel tells whether a text can be the label of runners in a probe's workflow.
func RunnerLabel(s string) bool { return label().MatchString(s) }

// probeFile is where the workflow lies on its branch.
const probeFile = ".github/workflows/unsecret-probe.yml"

// probePrefix begins the names of probes' branches.
const probePrefix = "unsecret-probe/"

func probeBranch(id string) string { return probePrefix + id }

func jobName(i int) string { return fmt.Sprintf("probe-%d", i+1) }

// digest is what the probe's script prints for a client id.
func digest(salt string, app inventory.AppID) string {
	sum := sha256.Sum256([]byte(salt + ":" + strings.ToLower(string(app))))
	return hex.EncodeToString(sum[:])
}

// answer reads a probe's notice: the application that has the digest, or why there is none.
func answer(salt, message string, apps []inventory.AppID) (app inventory.AppID, problem string) {
	switch message = strings.TrimSpace(message); message {
	case "empty":
		return "", "the secret is empty where the probe ran: it is not at this level, or the branch may not use the environment"
	case "no client id":
		return "", "the secret holds neither a client id nor JSON with one in it"
	}
	want, ok := strings.CutPrefix(message, "sha256 ")
	if !ok || len(want) != 2*sha256.Size {
		return "", "the probe's answer is not the one that was expected"
	}
	for _, a := range apps {
		if digest(salt, a) == want {
			return a, ""
		}
	}
	return "", ""
}
