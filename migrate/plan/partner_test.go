package plan

import (
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// passing is a repository in which one login hands its credential to another.
func passing(second inventory.Login) *inventory.Inventory {
	first := login("o/r", "caller.yml", "AZURE_CREDENTIALS", "ref:refs/heads/main")
	first.Kind, first.Conversion, first.With = inventory.KindReusablePass, inventory.ConversionAssisted, []inventory.LoginID{second.ID}
	second.Conversion, second.With = inventory.ConversionAssisted, []inventory.LoginID{first.ID}
	return &inventory.Inventory{Version: inventory.Version, Identities: []inventory.Identity{identity(appA, "a"), identity(appB, "b")},
		Repositories: []inventory.Repository{repository("o/r", "called.yml", "caller.yml")}, Logins: []inventory.Login{first, second},
		Secrets: []inventory.Secret{secret("o/r", "", "AZURE_CREDENTIALS"), secret("o/r", "", "OTHER")}}
}

func mapped() Config {
	return Config{Level: LevelNeedsReview, Mapping: []Mapping{
		{Repository: "o/r", Secret: "AZURE_CREDENTIALS", AppID: appA, SubscriptionID: sub}, {Repository: "o/r", Secret: "OTHER", AppID: appB, SubscriptionID: sub}}}
}

func TestLoginsThatHandACredentialOnAreRewrittenTogetherOrNotAtAll(t *testing.T) {
	whole, err := New(passing(login("o/r", "called.yml", "AZURE_CREDENTIALS", "ref:refs/heads/main")), mapped())
	if err != nil {
		t.Fatal(err)
	}
	if whole.Summary.Logins != 2 {
		t.Errorf("%d logins are rewritten, want both: %+v", whole.Summary.Logins, whole.Left)
	}
	held := login("o/r", "called.yml", "AZURE_CREDENTIALS") // no job is known that runs it
	held.Subjects = nil
	part, err := New(passing(held), mapped())
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, l := range part.Left {
		codes[l.Place] = l.Code
	}
	if part.Summary.Logins != 0 || codes["o/r/.github/workflows/caller.yml:10:9"] != "held-together" || codes[string(held.ID)] != "subjects-unknown" {
		t.Errorf("%d logins are rewritten; left: %v", part.Summary.Logins, codes)
	}
}

func TestPartnersOfTwoIdentitiesWaitForBothUnits(t *testing.T) {
	p, err := New(passing(login("o/r", "called.yml", "OTHER", "ref:refs/heads/main")), mapped())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.PullRequest == nil {
				continue
			}
			for _, l := range s.PullRequest.Logins {
				if len(l.Shares) != 1 || l.Shares[0] == u.ID {
					t.Errorf("login %s of unit %s shares %v, want the other unit", l.ID, u.ID, l.Shares)
				}
			}
		}
	}
	if p.Summary.Logins != 2 {
		t.Errorf("%d logins are rewritten, want 2: %+v", p.Summary.Logins, p.Left)
	}
}

func TestASecretOfWhichOneMemberIsReadIsRestoredAsAWhole(t *testing.T) {
	for _, part := range []bool{true, false} {
		l := login("o/r", "called.yml", "AZURE_CREDENTIALS", "ref:refs/heads/main")
		l.Secrets[0].Role, l.Secrets[0].Part = roleClientSecret, part
		inv := passing(login("o/r", "called.yml", "OTHER"))
		inv.Logins = []inventory.Login{l}
		p, err := New(inv, mapped())
		if err != nil {
			t.Fatal(err)
		}
		want, found := map[bool]string{true: roleCredentials, false: roleClientSecret}[part], false
		for _, u := range p.Units {
			for _, s := range u.Steps {
				if s.Secret != nil {
					found = true
					if s.Secret.Role != want {
						t.Errorf("part=%t: a rollback would write %s, want %s", part, s.Secret.Role, want)
					}
				}
			}
		}
		if !found {
			t.Error("no secret is deleted: ", p.Left)
		}
	}
}
