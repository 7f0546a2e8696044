package identify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

const (
	appA = inventory.AppID("a0000000-0000-4000-8000-00000000000a")
	appB = inventory.AppID("b0000000-0000-4000-8000-00000000000b")
	repo = inventory.RepositoryName("contoso/shop-portal")
	file = ".github/workflows/deploy.yml"
)

var now = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// world is one secret of one repository, read by one login, and the applications that it may belong to.
type world struct {
	in Input
}

func newWorld() *world {
	login := &inventory.Login{ID: "contoso/shop-portal/" + file + ":9:9", Repository: repo, File: file,
		Secrets:  []inventory.SecretUse{{Name: "AZURE_CREDENTIALS", Role: "credentials"}},
		Subjects: []inventory.JobSubjects{{File: file, Job: "deploy", Subjects: []string{"environment:prod"}}}}
	store := inventory.StoreRef{Level: inventory.LevelEnvironment, Repository: repo, Environment: "prod", Name: "AZURE_CREDENTIALS"}
	secret := &inventory.Secret{Level: store.Level, Owner: "contoso", Repository: repo, Environment: "prod", Name: store.Name, UpdatedAt: now.AddDate(0, -2, 0)}
	return &world{Input{
		Inventory: &inventory.Inventory{Repositories: []inventory.Repository{{Name: repo, ID: 2, OwnerID: 1, OIDC: inventory.OIDC{Known: true, UseDefault: true}}}},
		Open: []plan.OpenSecret{{Store: store, Secret: secret,
			Uses: []plan.SecretRead{{Login: login, Repository: repo, Environments: []string{"prod"}, Role: "credentials"}}}},
		Applications: []Application{app(appA, "alpha"), app(appB, "beta")},
		Runs:         map[Workflow]RunHistory{}, Now: now,
	}}
}

func app(id inventory.AppID, name string) Application {
	return Application{TrustKnown: true, Identity: inventory.Identity{AppID: id, TenantID: "t", DisplayName: name,
		Credentials: []inventory.Credential{{KeyID: inventory.KeyID("key of " + name), Type: inventory.CredentialPassword, On: inventory.OnApplication, Start: now.AddDate(-1, 0, 0)}},
		SignIns:     inventory.SignInEvidence{Known: true, Since: now.AddDate(0, 0, -30)}}}
}

// runs lets the workflow run at some ages, and the application sign in during them and at others.
func (w *world) runs(i int, ages []time.Duration, others ...time.Duration) {
	h := RunHistory{}
	a := &w.in.Applications[i]
	sign := func(at time.Time) {
		a.SignIns.SignIns = append(a.SignIns.SignIns, inventory.SignIn{AppID: a.AppID, Time: at, CredentialType: "clientSecret", KeyID: a.Credentials[0].KeyID})
	}
	for n, age := range ages {
		h.Runs = append(h.Runs, Run{ID: int64(n), Started: now.Add(-age), Finished: now.Add(-age + 3*time.Minute), OK: true})
		sign(now.Add(-age + time.Minute))
	}
	for _, age := range others {
		sign(now.Add(-age))
	}
	w.in.Runs[Workflow{repo, file}] = h
}

func days(list ...int) []time.Duration {
	var out []time.Duration
	for _, d := range list {
		out = append(out, time.Duration(d)*24*time.Hour)
	}
	return out
}

func fic(subjectText string) []inventory.FederatedCredential {
	return []inventory.FederatedCredential{{Name: "main", Issuer: subject.GitHubIssuer, Subject: subjectText}}
}

func TestEvidenceWeighsWhatItSays(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind Kind
		want int
		set  func(w *world, a *Application)
	}{
		{"a federated credential for the very environment", KindFederated, 50, func(_ *world, a *Application) {
			a.FederatedCredentials = fic("repo:contoso/shop-portal:environment:prod")
		}},
		{"a federated credential for another ref", KindFederated, 40, func(_ *world, a *Application) {
			a.FederatedCredentials = fic("repo:contoso/shop-portal:ref:refs/heads/main")
		}},
		{"a federated credential for a repository with a longer name", KindFederated, 0, func(_ *world, a *Application) {
			a.FederatedCredentials = fic("repo:contoso/shop-portal-2:ref:refs/heads/main")
		}},
		{"a flexible one", KindFederated, 50, func(_ *world, a *Application) {
			a.FederatedCredentials = []inventory.FederatedCredential{{Issuer: subject.GitHubIssuer, Expression: "claims['sub'] matches 'repo:contoso/shop-portal:environment:prod'"}}
		}},
		{"a variable beside the secret", KindReadable, 45, func(w *world, _ *Application) {
			w.in.Inventory.Variables = []inventory.Variable{{Level: inventory.LevelEnvironment, Repository: repo, Environment: "Prod", Name: "DEPLOYER", Value: strings.ToUpper(string(appA))}}
		}},
		{"a variable of the organisation", KindReadable, 20, func(w *world, _ *Application) {
			w.in.Inventory.Variables = []inventory.Variable{{Level: inventory.LevelOrganization, Owner: "Contoso", Name: "DEPLOYER", Value: string(appA)}}
		}},
		{"a variable of another repository", KindReadable, 0, func(w *world, _ *Application) {
			w.in.Inventory.Variables = []inventory.Variable{{Level: inventory.LevelRepository, Repository: "contoso/other", Name: "DEPLOYER", Value: string(appA)}}
		}},
		{"its client id in the login's text", KindReadable, 55, func(w *world, _ *Application) { w.in.Open[0].Uses[0].Login.Identity.ClientID = string(appA) }},
		{"a password of minutes before", KindDate, 45, func(w *world, a *Application) {
			a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(-4 * time.Minute)
		}},
		{"clocks that differ", KindDate, 45, func(w *world, a *Application) {
			a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(4 * time.Minute)
		}},
		{"a password of an hour before", KindDate, 30, func(w *world, a *Application) { a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(-time.Hour) }},
		{"a password of the same day", KindDate, 15, func(w *world, a *Application) {
			a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(-20 * time.Hour)
		}},
		{"a password of two days before", KindDate, 0, func(w *world, a *Application) {
			a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(-48 * time.Hour)
		}},
		{"a younger password", KindDate, 0, func(w *world, a *Application) { a.Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(time.Hour) }},
		{"a certificate of minutes before", KindDate, 0, func(w *world, a *Application) {
			a.Credentials[0].Type, a.Credentials[0].Start = inventory.CredentialCertificate, w.in.Open[0].Secret.UpdatedAt
		}},
		{"a secret that the scan did not see", KindDate, 0, func(w *world, _ *Application) { w.in.Open[0].Secret = nil }},
		{"sign-ins during every run and at no other time", KindSignIns, 50, func(w *world, _ *Application) { w.runs(0, days(2, 5, 9, 12)) }},
		{"sign-ins during every run and as often at others", KindSignIns, 30, func(w *world, _ *Application) { w.runs(0, days(2, 5, 9), days(3, 6, 10)...) }},
		{"sign-ins during the only run", KindSignIns, 15, func(w *world, _ *Application) { w.runs(0, days(2)) }},
		{"sign-ins at other times only", KindSignIns, 0, func(w *world, _ *Application) { w.runs(1, days(2, 5, 9)); w.runs(0, nil, days(3, 6)...) }},
		{"sign-ins all the time", KindSignIns, 0, func(w *world, a *Application) {
			w.runs(0, days(2, 5, 9))
			for at := now.AddDate(0, 0, -29); at.Before(now); at = at.Add(time.Minute) {
				a.SignIns.SignIns = append(a.SignIns.SignIns, inventory.SignIn{Time: at, CredentialType: "clientSecret", KeyID: a.Credentials[0].KeyID})
			}
		}},
		{"failed sign-ins", KindSignIns, 0, func(w *world, a *Application) {
			w.runs(0, days(2, 5, 9))
			for i := range a.SignIns.SignIns {
				a.SignIns.SignIns[i].ErrorCode = 7000215
			}
		}},
		{"sign-ins without a secret", KindSignIns, 0, func(w *world, a *Application) {
			w.runs(0, days(2, 5, 9))
			for i := range a.SignIns.SignIns {
				a.SignIns.SignIns[i].CredentialType = "federatedIdentityCredential"
			}
		}},
		{"a log that cannot be read", KindSignIns, 0, func(w *world, a *Application) { w.runs(0, days(2, 5, 9)); a.SignIns.Known = false }},
		{"runs from before the log begins", KindSignIns, 0, func(w *world, a *Application) { w.runs(0, days(40, 50)) }},
		{"its repository in its notes, in full", KindName, 45, func(_ *world, a *Application) { a.Notes = "See https://github.com/contoso/shop-portal.git" }},
		{"a longer repository in its notes: its words alone", KindName, 20, func(_ *world, a *Application) { a.Notes = "See https://github.com/contoso/shop-portal-two" }},
		{"the repository's words in its name", KindName, 30, func(_ *world, a *Application) { a.DisplayName = "sp-ShopPortal-deploy" }},
		{"and the environment's", KindName, 40, func(_ *world, a *Application) { a.DisplayName = "sp-ShopPortal-prod" }},
		{"the repository's words in a tag", KindName, 20, func(_ *world, a *Application) { a.Tags = []string{"portal", "team:shop"} }},
		{"one of two words", KindName, 0, func(_ *world, a *Application) { a.DisplayName = "shop" }},
		{"words that others have too", KindName, 20, func(w *world, a *Application) {
			a.DisplayName, w.in.Applications[1].DisplayName = "shop portal one", "shop portal two"
		}},
		{"a name made of common words", KindSecretName, 0, func(_ *world, a *Application) { a.DisplayName = "azure credentials" }},
		{"the secret's own words", KindSecretName, 15, func(w *world, a *Application) {
			w.in.Open[0].Store.Name, a.DisplayName = "AZURE_BILLING_CREDENTIALS", "billing"
		}},
		{"a role in the subscription that the login names", KindRole, 15, func(w *world, a *Application) {
			w.in.Open[0].Uses[0].Login.Identity.SubscriptionID = "50000000-0000-0000-0000-000000000001"
			a.Roles = []inventory.RoleAssignment{{Role: "Contributor", Scope: "/subscriptions/50000000-0000-0000-0000-000000000001/resourceGroups/x"}}
		}},
		{"its client id in a job's log", KindLog, 60, func(w *world, _ *Application) {
			w.in.Prints = map[Workflow][]Print{{repo, file}: {{AppID: appA, Run: 1}}}
		}},
		{"a probe's answer", KindProbe, 1000, func(w *world, _ *Application) {
			w.in.Proofs = map[string]Proof{w.in.Open[0].Store.Key(): {AppID: appA}}
		}},
		{"a probe's answer for another", KindProbe, 0, func(w *world, _ *Application) {
			w.in.Proofs = map[string]Proof{w.in.Open[0].Store.Key(): {AppID: appB}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld()
			tc.set(w, &w.in.Applications[0])
			got := 0
			for _, c := range Rank(w.in).Secrets[0].Candidates {
				for _, e := range c.Evidence {
					if c.AppID == appA && e.Kind == tc.kind {
						got = max(got, e.Weight)
					}
					if e.Text == "" || e.Reason == "" {
						t.Errorf("evidence without words: %+v", e)
					}
				}
			}
			if got != tc.want {
				t.Errorf("weight %d, want %d", got, tc.want)
			}
		})
	}
}

func TestAProposalNeedsEnoughAndNoRival(t *testing.T) {
	minutes := func(w *world, i int) {
		w.in.Applications[i].Credentials[0].Start = w.in.Open[0].Secret.UpdatedAt.Add(-time.Minute)
	}
	trust := func(w *world, i int) {
		w.in.Applications[i].FederatedCredentials = fic("repo:contoso/shop-portal:environment:prod")
	}
	for _, tc := range []struct {
		name, verdict string
		want          inventory.AppID
		set           func(w *world)
	}{
		{"nothing", "nothing speaks for any", "", func(*world) {}},
		{"one hint", "a proposal needs 60", "", func(w *world) { minutes(w, 0) }},
		{"two kinds", "there is no other candidate", appA, func(w *world) { minutes(w, 0); trust(w, 0) }},
		{"a tie", "is as likely", "", func(w *world) { minutes(w, 0); trust(w, 0); minutes(w, 1); trust(w, 1) }},
		{"a rival that is near", "nearly: 90 against 95", "", func(w *world) {
			minutes(w, 0)
			trust(w, 0)
			minutes(w, 1)
			w.in.Applications[1].Notes = "contoso/shop-portal"
		}},
		{"a rival that is far", "50 behind", appA, func(w *world) { minutes(w, 0); trust(w, 0); minutes(w, 1) }},
		{"names and roles alone", "only names and roles", "", func(w *world) {
			a := &w.in.Applications[0]
			a.DisplayName, a.Notes = "shop portal prod", "contoso/shop-portal"
			w.in.Open[0].Uses[0].Login.Identity.SubscriptionID = "50000000-0000-0000-0000-000000000001"
			a.Roles = []inventory.RoleAssignment{{Scope: "/subscriptions/50000000-0000-0000-0000-000000000001"}}
		}},
		{"no password at all", "it has no password now", "", func(w *world) {
			trust(w, 0)
			w.in.Applications[0].Notes, w.in.Applications[0].Credentials = "contoso/shop-portal", nil
		}},
		{"only younger passwords", "younger than the secret's value", "", func(w *world) {
			trust(w, 0)
			w.in.Applications[0].Notes = "contoso/shop-portal"
			w.in.Applications[0].Credentials[0].Start = now
		}},
		{"a probe beats everything", "the probe's digest is that of its client id", appB, func(w *world) {
			minutes(w, 0)
			trust(w, 0)
			w.in.Applications[1].Credentials = nil
			w.in.Proofs = map[string]Proof{w.in.Open[0].Store.Key(): {AppID: appB, Compared: 2}}
		}},
		{"a probe that matches none", "matches none of the 2 applications", "", func(w *world) {
			minutes(w, 0)
			trust(w, 0)
			w.in.Proofs = map[string]Proof{w.in.Open[0].Store.Key(): {Compared: 2}}
		}},
		{"a probe without an answer changes nothing", "there is no other candidate", appA, func(w *world) {
			minutes(w, 0)
			trust(w, 0)
			w.in.Proofs = map[string]Proof{w.in.Open[0].Store.Key(): {Problem: "no runner"}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld()
			tc.set(w)
			s := Rank(w.in).Secrets[0]
			if !strings.Contains(s.Verdict, tc.verdict) {
				t.Errorf("verdict %q, want %q in it", s.Verdict, tc.verdict)
			}
			got := inventory.AppID("")
			if s.Proposal != nil {
				got = s.Proposal.AppID
				if s.Proposal.Confirmed == nil || *s.Proposal.Confirmed || s.Proposal.Environment != "prod" || s.Proposal.TenantID != "t" {
					t.Errorf("the proposal is %+v", *s.Proposal)
				}
			}
			if got != tc.want {
				t.Errorf("proposed %q, want %q", got, tc.want)
			}
		})
	}
}

func anyEvidence(t *rapid.T, name string) []Evidence {
	kinds := []Kind{KindLog, KindReadable, KindFederated, KindSignIns, KindDate, KindName, KindSecretName, KindRole}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Evidence {
		return Evidence{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Weight: rapid.IntRange(1, 60).Draw(t, "weight"), Text: "x", Reason: "y"}
	}), 0, 6).Draw(t, name)
}

func candidates(t *rapid.T) []Candidate {
	var list []Candidate
	for i := range rapid.IntRange(1, 5).Draw(t, "n") {
		ev := anyEvidence(t, "evidence")
		list = append(list, Candidate{AppID: inventory.AppID(fmt.Sprint("app", i)), Name: fmt.Sprint("app", i), Evidence: ev, Score: Score(ev)})
	}
	Order(list)
	return list
}

func place(list []Candidate, id inventory.AppID) int {
	return slices.IndexFunc(list, func(c Candidate) bool { return c.AppID == id })
}

func TestMoreEvidenceNeverLowersTheRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := candidates(t)
		i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
		id, before := list[i].AppID, list[i].Score
		winner, _ := Decide(list, nil)
		proposed := winner != nil && winner.AppID == id
		list[i].Evidence = append(slices.Clone(list[i].Evidence), anyEvidence(t, "more")...)
		list[i].Score = Score(list[i].Evidence)
		if list[i].Score < before {
			t.Fatalf("score fell from %d to %d", before, list[i].Score)
		}
		Order(list)
		if now := place(list, id); now > i {
			t.Fatalf("place fell from %d to %d", i, now)
		}
		if again, verdict := Decide(list, nil); proposed && (again == nil || again.AppID != id) {
			t.Fatalf("more evidence took its proposal away: %s", verdict)
		}
	})
}

func TestTiesNeverPropose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := candidates(t)
		twin := list[0]
		twin.AppID += "'"
		list = append(list, twin)
		Order(list)
		if c, _ := Decide(list, nil); c != nil {
			t.Fatalf("%s is proposed beside its twin", c.AppID)
		}
	})
}

func TestRankingDependsOnNothingButItsInput(t *testing.T) {
	w := newWorld()
	w.runs(0, days(2, 5, 9))
	w.in.Applications[1].Notes = "contoso/shop-portal"
	want := fmt.Sprintf("%+v", Rank(w.in))
	for range 20 {
		slices.Reverse(w.in.Applications)
		if got := fmt.Sprintf("%+v", Rank(w.in)); got != want {
			t.Fatalf("another answer:\n%s\n%s", want, got)
		}
	}
}

func TestWhatCouldNotBeReadIsSaid(t *testing.T) {
	w := newWorld()
	w.in.Applications[0].Notes = "contoso/shop-portal"
	w.in.Applications[0].SignIns = inventory.SignInEvidence{Reason: "the tenant has no licence"}
	w.in.Runs[Workflow{repo, file}] = RunHistory{Reason: "HTTP 403"}
	w.in.Open[0].Secret = nil
	text := fmt.Sprint(Rank(w.in).Secrets[0].Unknown)
	for _, want := range []string{"no licence", "HTTP 403", "the scan saw no secret of this name"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said: %s", want, text)
		}
	}
}

func TestClientIDsAreFoundInLogs(t *testing.T) {
	known := map[inventory.AppID]bool{appA: true}
	texts := []string{"2026-11-02T09:00:00Z Deploying as " + strings.ToUpper(string(appA)) + ".\n", "user.name: " + string(appA) + " beside " + string(appB) + " and ***"}
	if got := ClientIDs(texts, known); len(got) != 1 || got[0] != appA {
		t.Errorf("got %v", got)
	}
}

func TestNamesAreSplitIntoWords(t *testing.T) {
	for text, want := range map[string]string{"sp-ShopPortal_prod.eu2": "sp shop portal prod eu2", "HTTPServer": "httpserver", "": "", "÷ñandú": "ñandú"} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
