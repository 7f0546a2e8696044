package workflow

import (
	"slices"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// A rollback writes a new value into the secret, so it has to know whether that is the whole JSON.
func TestAMemberOfAJSONIsToldFromAPlainSecret(t *testing.T) {
	for name, tc := range map[string]struct {
		step string
		part bool
	}{
		"fromJSON": {"env:\n          ARM_CLIENT_SECRET: ${{ fromJSON(secrets.S).clientSecret }}\n        run: terraform apply", true},
		"fromJSON through env": {
			"env:\n          ARM_CLIENT_ID: x\n          ARM_CLIENT_SECRET: ${{ fromJSON(env.ALL).clientSecret }}\n        run: terraform apply", true},
		"jq":                    {"run: az login --service-principal -u a -p \"$(echo '${{ secrets.S }}' | jq -r .clientSecret)\" --tenant t", true},
		"jq through a variable": {"run: |\n          P=$(jq -r .clientSecret <<< \"$ALL\")\n          az login --service-principal -u a -p \"$P\" --tenant t", true},
		"plain":                 {"run: az login --service-principal -u a -p '${{ secrets.S }}' --tenant t", false},
		"plain through env":     {"run: az login --service-principal -u a -p \"$ALL\" --tenant t", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := "on: push\nenv:\n  ALL: ${{ secrets.S }}\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n      - " + tc.step + "\n"
			r := Scan(Tree{Files: []File{{Path: ".github/workflows/w.yml", Content: []byte(text)}}}, Options{})
			i := slices.IndexFunc(r.Logins, func(l inventory.Login) bool {
				return l.Job != "" && slices.ContainsFunc(l.Secrets, func(s inventory.SecretUse) bool { return s.Role == roleClientSecret })
			})
			if i < 0 {
				t.Fatalf("no login reads a client secret: %+v", r.Logins)
			}
			for _, s := range r.Logins[i].Secrets {
				if s.Part != tc.part {
					t.Errorf("%+v: part should be %t", s, tc.part)
				}
			}
		})
	}
}

func TestLoginsOfOneChannelNameEachOther(t *testing.T) {
	called := "on:\n  workflow_call:\n    secrets:\n      creds:\n        required: true\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n" +
		"      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.creds }}\n"
	caller := "on: push\njobs:\n  a:\n    uses: ./.github/workflows/called.yml\n    secrets:\n      creds: ${{ secrets.AZURE_CREDENTIALS }}\n" +
		"  b:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n"
	r := Scan(Tree{Repository: "o/r", Files: []File{
		{Path: ".github/workflows/called.yml", Content: []byte(called)}, {Path: ".github/workflows/caller.yml", Content: []byte(caller)},
	}}, Options{})
	ids := map[inventory.Kind][]inventory.LoginID{}
	with := map[inventory.LoginID][]inventory.LoginID{}
	for _, l := range r.Logins {
		ids[l.Kind] = append(ids[l.Kind], l.ID)
		with[l.ID] = l.With
	}
	logins, passes := ids[inventory.KindAzureLoginCreds], ids[inventory.KindReusablePass]
	if len(logins) != 2 || len(passes) != 1 {
		t.Fatalf("logins: %v", ids)
	}
	if got := with[passes[0]]; !slices.Equal(got, logins[:1]) {
		t.Errorf("what passes the credential on goes with %v, want %v", got, logins[:1])
	}
	if got := with[logins[0]]; !slices.Equal(got, passes) {
		t.Errorf("the called login goes with %v, want %v", got, passes)
	}
	if got := with[logins[1]]; got != nil {
		t.Errorf("a login of its own goes with %v", got)
	}
}

// The ids that a script takes out of the JSON would still read the secret after its deletion, unless they come from variables too.
func TestATerraformLoginWhoseScriptTakesTheJSONApartKeepsNoReadOfIt(t *testing.T) {
	for name, tc := range map[string]struct {
		id   string
		want inventory.Conversion
	}{
		"ids out of the JSON by jq -r": {"$(echo '${{ secrets.AZURE_CREDENTIALS }}' | jq -r .clientId)", inventory.ConversionAssisted},
		"ids out of it otherwise":      {"$(echo '${{ secrets.AZURE_CREDENTIALS }}' | jq .clientId | tr -d '\"')", inventory.ConversionManual},
		"ids from variables":           {"${{ vars.CLIENT_ID }}", inventory.ConversionAutomatic},
	} {
		t.Run(name, func(t *testing.T) {
			text := "on: push\npermissions:\n  contents: read\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n" +
				"          echo \"ARM_CLIENT_ID=" + tc.id + "\" >> $GITHUB_ENV\n" +
				"          echo \"ARM_CLIENT_SECRET=$(echo '${{ secrets.AZURE_CREDENTIALS }}' | jq -r .clientSecret)\" >> $GITHUB_ENV\n" +
				"          echo \"ARM_TENANT_ID=${{ vars.TENANT_ID }}\" >> $GITHUB_ENV\n      - run: terraform apply -auto-approve\n"
			r := Scan(Tree{Files: []File{{Path: ".github/workflows/w.yml", Content: []byte(text)}}}, Options{})
			for _, l := range r.Logins {
				if l.Kind == inventory.KindTerraformEnv && l.Conversion != tc.want {
					t.Errorf("%s is %s (%s), want %s", l.ID, l.Conversion, l.Reason, tc.want)
				}
			}
			if len(r.Logins) == 0 {
				t.Error("no login was found")
			}
		})
	}
}
