package workflow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestLiteralsAndExpressionsAreWrittenAsWhatTheyAre(t *testing.T) {
	for name, want := range map[string]string{
		"vars.AZURE_CLIENT_ID":                 "${{ vars.AZURE_CLIENT_ID }}",
		"secrets['A']":                         "${{ secrets['A'] }}",
		"format('{0}', vars.A)":                "${{ format('{0}', vars.A) }}",
		"contoso.onmicrosoft.com":              "'contoso.onmicrosoft.com'",
		"11111111-2222-3333-4444-555555555555": "'11111111-2222-3333-4444-555555555555'",
	} {
		if got := expression(name, false); got != want {
			t.Errorf("%s is written %s, want %s", name, got, want)
		}
	}
}

func TestNamesOfTheCallerWinWhereTheyAreComplete(t *testing.T) {
	tree := Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.A }}\n")}}}
	for _, test := range []struct {
		name string
		give IdentityNames
		want []string
	}{
		{"complete", IdentityNames{"1", "2", "vars.S"}, []string{"client-id: '1'", "tenant-id: '2'", "subscription-id: ${{ vars.S }}"}},
		{"no subscription", IdentityNames{"1", "2", ""}, []string{"client-id: '1'", "tenant-id: '2'", "allow-no-subscriptions: true"}},
		{"nothing", IdentityNames{}, []string{"client-id: ${{ vars.AZURE_CLIENT_ID }}", "tenant-id: ${{ vars.AZURE_TENANT_ID }}", "subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Rewrite(tree, RewriteOptions{Names: func(inventory.Login) IdentityNames { return test.give }})
			var got []string
			for _, e := range entries(mustParse(t, r.Files[0].After).jobs[0].steps[0].with) {
				got = append(got, e.key.Value+": "+expression(plain(e.value.Value), false))
			}
			for i, line := range test.want {
				if line == "allow-no-subscriptions: true" {
					test.want[i] = "allow-no-subscriptions: 'true'"
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOnlyTheSelectedLoginsAreRewritten(t *testing.T) {
	step := "      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.A }}\n"
	tree := Tree{Repository: "o/r", Files: []File{{Path: ".github/workflows/a.yml", Content: []byte("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n" + step + "  b:\n    runs-on: ubuntu-latest\n    steps:\n" + step)}}}
	logins := Scan(tree, Options{}).Logins
	r := Rewrite(tree, RewriteOptions{Only: map[inventory.LoginID]bool{logins[1].ID: true}})
	after := Scan(applied(tree, r), Options{}).Logins
	if after[0].Kind != inventory.KindAzureLoginCreds || after[1].Kind != inventory.KindAzureLoginOIDC {
		t.Errorf("%s, %s", after[0].Kind, after[1].Kind)
	}
}

func mustParse(t *testing.T, src []byte) *file {
	t.Helper()
	f, err := readFile("a.yml", src)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readFile reads a file into memory of its own.
func readFile(path string, src []byte) (*file, error) {
	own := new(memory)
	d, err := own.parse(path, src)
	if err != nil {
		return nil, err
	}
	return own.read(d, ""), nil
}
