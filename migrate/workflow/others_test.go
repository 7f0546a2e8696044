package workflow

import (
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// A credential that goes to a file of another repository is told by that file's own logins, whatever it is called.
func TestCredentialsGoToOtherRepositoriesOfTheScan(t *testing.T) {
	shared := Tree{Repository: "contoso/shared", Files: []File{
		{Path: ".github/workflows/deploy.yml", Content: []byte("on:\n  workflow_call:\n    secrets:\n      k: {required: true}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: azure/login@v2\n        with: {creds: \"${{ secrets.k }}\"}\n")},
		{Path: "login/action.yml", Content: []byte("inputs:\n  thing: {required: true}\n  other: {required: true}\nruns:\n  using: composite\n  steps:\n    - uses: azure/login@v2\n      with: {creds: \"${{ inputs.thing }}\"}\n")},
	}}
	app := Tree{Repository: "contoso/app", Files: []File{{Path: ".github/workflows/main.yml", Content: []byte(strings.Join([]string{
		"on: push", "jobs:", "  a:", "    uses: Contoso/shared/.github/workflows/deploy.yml@main", "    secrets:", "      k: ${{ secrets.ONE }}",
		"  b:", "    uses: contoso/shared/.github/workflows/deploy.yml@main", "    secrets: inherit",
		"  c:", "    runs-on: x", "    steps:", "      - uses: contoso/shared/login@v1", "        with:", "          thing: ${{ secrets.TWO }}", "          other: ${{ secrets.AZURE_CREDENTIALS }}", "",
	}, "\n"))}}}
	r := Scan(app, Options{Others: func(n inventory.RepositoryName) (Tree, bool) {
		return shared, strings.EqualFold(string(n), "contoso/shared")
	}})
	got := map[int]inventory.Kind{}
	for _, l := range r.Logins {
		got[l.Line] = l.Kind
		if l.Conversion != inventory.ConversionManual || len(l.Manual) == 0 {
			t.Errorf("line %d is %s with %v", l.Line, l.Conversion, l.Manual)
		}
	}
	want := map[int]inventory.Kind{6: inventory.KindReusablePass, 9: inventory.KindReusablePass, 15: inventory.KindRemoteActionInput}
	for line, kind := range want {
		if got[line] != kind {
			t.Errorf("line %d: %q, want %s", line, got[line], kind)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}
