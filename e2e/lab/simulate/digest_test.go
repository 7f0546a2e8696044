package simulate_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const digestScript = `set -eu
id="$VALUE"
if [[ "$VALUE" =~ \"(clientId|appId)\"[[:space:]]*:[[:space:]]*\"([^\"]*)\" ]]; then
  id="${BASH_REMATCH[2]}"
fi
if [[ "$id" =~ ^[[:space:]]*([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})[[:space:]]*$ ]]; then
  digest="$(printf '%s:%s' "$SALT" "${BASH_REMATCH[1],,}" | sha256sum)"
  echo "::notice title=probe::sha256 ${digest%% *}"
elif [[ -z "$VALUE" ]]; then
  echo "::notice title=probe::empty"
else
  echo "::notice title=probe::no client id"
fi
`

// TestADigestIsTheOneThatBashMakes runs the same script in the lab and in the shell of this machine, where there is one.
func TestADigestIsTheOneThatBashMakes(t *testing.T) {
	values := map[string]string{
		"json":             creds(appID, password),
		"indented json":    "{\n  \"clientSecret\": \"" + password + "\",\n  \"clientId\" : \"" + strings.ToUpper(appID) + "\"\n}\n",
		"create-for-rbac":  `{"appId": "` + appID + `", "password": "` + password + `"}`,
		"plain":            appID + "\n",
		"a password":       password,
		"json without one": `{"clientId": "", "x": 1}`,
		"empty":            "",
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, map[string]string{".github/workflows/probe.yml": "on: push\npermissions: {}\njobs:\n  probe:\n    runs-on: ubuntu-latest\n    steps:\n      - shell: bash\n        env:\n          SALT: 00ff\n          VALUE: ${{ secrets.X }}\n        run: |\n          " +
				strings.ReplaceAll(digestScript, "\n", "\n          ") + "\n"})
			l.w.SetSecret(&l.repo.Secrets, "X", value)
			runs, err := l.sim.Run("acme/app", simulate.Event{Name: "push", Ref: "refs/heads/main"})
			if err != nil || len(runs) != 1 || runs[0].Conclusion != "success" {
				t.Fatalf("%v, %+v", err, runs)
			}
			job := runs[0].Jobs[0]
			if len(job.Notes) != 1 || job.Notes[0].Title != "probe" {
				t.Fatalf("annotations: %+v, log: %q", job.Notes, job.Log)
			}
			all := strings.ToLower(fmt.Sprint(job.Log, *job.Notes[0]))
			if strings.Contains(all, appID) || strings.Contains(all, world.Canary) {
				t.Errorf("the log shows what it must not: %s", all)
			}
			bash, err := exec.LookPath("bash")
			if err != nil {
				t.Skip("there is no bash")
			}
			cmd := exec.Command(bash, "-c", digestScript)
			cmd.Env = append(os.Environ(), "SALT=00ff", "VALUE="+value)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if want := "::notice title=probe::" + job.Notes[0].Message + "\n"; string(out) != want {
				t.Errorf("bash prints %q, the lab %q", out, want)
			}
		})
	}
}

// TestAnExpressionThatTakesASecretApartShowsItsPart holds the reason why the value goes to the script as a whole.
func TestAnExpressionThatTakesASecretApartShowsItsPart(t *testing.T) {
	l := newLab(t, map[string]string{".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - env:\n          ID: ${{ fromJSON(secrets.AZURE_CREDENTIALS).clientId }}\n          ALL: ${{ secrets.AZURE_CREDENTIALS }}\n        run: echo $ALL\n"})
	runs, err := l.sim.Run("acme/app", simulate.Event{Name: "push", Ref: "refs/heads/main"})
	if err != nil {
		t.Fatal(err)
	}
	log := strings.Join(runs[0].Jobs[0].Log, "\n")
	if !strings.Contains(log, "ID: "+appID) || strings.Contains(log, world.Canary) || strings.Count(log, "***") != 2 {
		t.Errorf("log: %s", log)
	}
}

func TestARunWaitsForTheReviewersOfAnEnvironment(t *testing.T) {
	l := newLab(t, map[string]string{".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    environment: prod\n    steps:\n      - run: echo hello\n"})
	l.w.AddEnvironment(l.repo, "prod").Reviewers = 1
	l.w.Knobs.ReviewersHold = true
	runs, err := l.sim.Run("acme/app", simulate.Event{Name: "push", Ref: "refs/heads/main"})
	if err != nil || runs[0].Status != "waiting" || runs[0].Conclusion != "" || len(runs[0].Jobs[0].Log) > 0 {
		t.Errorf("%v, %+v", err, runs[0])
	}
}
