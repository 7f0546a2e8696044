package doctor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

func source(kind inventory.SourceKind, answers ...doctor.Answer) []doctor.Source {
	return []doctor.Source{{Kind: kind, Name: "s", Answers: answers}}
}

func answer(check doctor.Check, status int, facts ...string) doctor.Answer {
	a := doctor.Answer{Check: check, Object: "object of " + string(check), Status: status, Facts: map[string]string{}}
	for i := 0; i+1 < len(facts); i += 2 {
		a.Facts[facts[i]] = facts[i+1]
	}
	return a
}

// of gives the result about a permission, or with a name.
func of(t *testing.T, r doctor.Report, id string) doctor.Result {
	t.Helper()
	for _, x := range r.Sources[0].Results {
		if x.Permission == id || x.Permission == "" && x.Name == id {
			return x
		}
	}
	t.Fatalf("nothing is said of %s: %+v", id, r)
	return doctor.Result{}
}

func TestEveryRefusalNamesThePermissionAndWhatGrantsIt(t *testing.T) {
	for check, want := range map[doctor.Check]struct {
		kind       inventory.SourceKind
		permission string
	}{
		doctor.CheckProjects:      {inventory.SourceAzureDevOps, permissions.DevOpsProjects},
		doctor.CheckConnections:   {inventory.SourceAzureDevOps, permissions.DevOpsConnectionRead},
		doctor.CheckApplications:  {inventory.SourceEntra, permissions.GraphApplicationRead},
		doctor.CheckFederated:     {inventory.SourceEntra, permissions.GraphApplicationRead},
		doctor.CheckSignInLog:     {inventory.SourceEntra, permissions.GraphAuditLog},
		doctor.CheckPolicies:      {inventory.SourceEntra, permissions.GraphPolicy},
		doctor.CheckSubscriptions: {inventory.SourceAzure, permissions.AzureReader},
		doctor.CheckResourceGraph: {inventory.SourceAzure, permissions.AzureReader},
		doctor.CheckRepository:    {inventory.SourceGitHub, permissions.GitHubContents},
		doctor.CheckOIDC:          {inventory.SourceGitHub, permissions.GitHubActions},
		doctor.CheckPermissions:   {inventory.SourceGitHub, permissions.GitHubAdministration},
		doctor.CheckSecrets:       {inventory.SourceGitHub, permissions.GitHubStores},
		doctor.CheckVariables:     {inventory.SourceGitHub, permissions.GitHubStores},
		doctor.CheckOrgSecrets:    {inventory.SourceGitHub, permissions.GitHubOrganization},
	} {
		r := doctor.Diagnose(source(want.kind, answer(check, 403)), "")
		x := of(t, r, want.permission)
		if x.State != doctor.Missing || x.Without == "" || len(x.Grant) == 0 || r.State != doctor.Missing {
			t.Errorf("%s: %+v", check, x)
		}
		fine := doctor.Diagnose(source(want.kind, answer(check, 200)), "")
		if x := of(t, fine, want.permission); x.State != doctor.Fine || fine.State != doctor.Fine {
			t.Errorf("%s: %+v", check, x)
		}
	}
}

func TestALicenceIsNotAPermission(t *testing.T) {
	a := answer(doctor.CheckSignInLog, 403)
	a.Code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	x := of(t, doctor.Diagnose(source(inventory.SourceEntra, a), ""), permissions.GraphAuditLog)
	if !strings.Contains(x.Text, "licence") || strings.Contains(strings.Join(x.Grant, " "), "az ad") {
		t.Errorf("%+v", x)
	}
}

func TestSourcesThatGiveNothingAreUnreachable(t *testing.T) {
	for name, a := range map[string]doctor.Answer{
		"no answer":       doctor.Lost(doctor.CheckApplications, "x", errors.New("connection refused")),
		"no token":        doctor.Lost(doctor.CheckSignIn, "x", errors.New("no token")),
		"not accepted":    answer(doctor.CheckApplications, 401),
		"throttled":       answer(doctor.CheckApplications, 429),
		"failing":         answer(doctor.CheckApplications, 503),
		"no organisation": answer(doctor.CheckOrganization, 404),
	} {
		r := doctor.Diagnose(source(inventory.SourceEntra, a), "")
		if r.State != doctor.Unreachable || len(r.Sources[0].Results) != 1 || len(r.Sources[0].Results[0].Grant) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestSeeingNothingIsNotFine(t *testing.T) {
	for check, want := range map[doctor.Check]doctor.State{
		doctor.CheckProjects: doctor.Missing, doctor.CheckSubscriptions: doctor.Missing, doctor.CheckRepository: doctor.Missing, doctor.CheckConnections: doctor.Unknown,
	} {
		r := doctor.Diagnose(source(inventory.SourceAzure, answer(check, 200, doctor.FactSeen, "0")), "")
		if got := r.Sources[0].Results[0]; got.State != want || got.Text == "" {
			t.Errorf("%s: %+v", check, got)
		}
	}
	r := doctor.Diagnose(source(inventory.SourceAzureDevOps, answer(doctor.CheckConnections, 200, doctor.FactSeen, "4", doctor.FactReadable, "0")), "")
	if x := of(t, r, permissions.DevOpsConnectionRead); x.State != doctor.Missing || !strings.Contains(x.Text, "without their data") {
		t.Errorf("%+v", x)
	}
}

func TestOneConnectionWithoutItsDataIsNotMadeGoodByTheOthers(t *testing.T) {
	r := doctor.Diagnose(source(inventory.SourceAzureDevOps, answer(doctor.CheckConnections, 200, doctor.FactSeen, "4", doctor.FactReadable, "3")), "")
	if x := of(t, r, permissions.DevOpsConnectionRead); x.State != doctor.Missing || !strings.Contains(x.Text, "only 3 of 4 service connections came with their data") {
		t.Errorf("%+v", x)
	}
	r = doctor.Diagnose(source(inventory.SourceAzureDevOps, answer(doctor.CheckConnections, 200, doctor.FactSeen, "4", doctor.FactReadable, "4")), "")
	if x := of(t, r, permissions.DevOpsConnectionRead); x.State != doctor.Fine {
		t.Errorf("%+v", x)
	}
}

func TestScopesOfAClassicTokenAreJudgedWithoutAWrite(t *testing.T) {
	token := func(scopes string) []doctor.Source {
		return source(inventory.SourceGitHub, answer(doctor.CheckToken, 200, doctor.FactTokenKind, doctor.TokenClassic, doctor.FactScopes, scopes))
	}
	if x := of(t, doctor.Diagnose(token("repo, admin:org"), ""), permissions.GitHubWrite); x.State != doctor.Missing || !strings.Contains(x.Text, "scope workflow") {
		t.Errorf("%+v", x)
	}
	r := doctor.Diagnose(token("repo, workflow, admin:org"), permissions.Apply)
	if r.State != doctor.Fine || of(t, r, permissions.GitHubWrite).State != doctor.Fine {
		t.Errorf("%+v", r)
	}
	// A scan needs no scope that writes.
	if r := doctor.Diagnose(token("repo"), permissions.Scan); r.State != doctor.Fine {
		t.Errorf("%+v", r)
	}
	fine := source(inventory.SourceGitHub, answer(doctor.CheckToken, 200, doctor.FactTokenKind, doctor.TokenFineGrained))
	if x := of(t, doctor.Diagnose(fine, ""), permissions.GitHubWrite); x.State != doctor.Untested {
		t.Errorf("%+v", x)
	}
}

func TestChangesInGraphAreJudgedByTheToken(t *testing.T) {
	const admin, reader = "158c047a-c907-4556-b7ef-551546a6b5f7", "b79fbf4d-3ef9-4689-8143-76b194e85509"
	for name, tc := range map[string]struct {
		facts         []string
		owned, policy doctor.State
	}{
		"an application that may change its own":  {[]string{doctor.FactGranted, "Application.Read.All Application.ReadWrite.OwnedBy"}, doctor.Fine, doctor.Untested},
		"an application that may change all":      {[]string{doctor.FactGranted, "Application.ReadWrite.All Policy.ReadWrite.ApplicationConfiguration"}, doctor.Fine, doctor.Fine},
		"an application that may read":            {[]string{doctor.FactGranted, "Application.Read.All", doctor.FactDirectoryRoles, reader}, doctor.Missing, doctor.Untested},
		"an application that is an administrator": {[]string{doctor.FactGranted, "", doctor.FactDirectoryRoles, reader + " " + admin}, doctor.Fine, doctor.Fine},
		"a person who is an administrator":        {[]string{doctor.FactGranted, "Directory.AccessAsUser.All User.Read", doctor.FactPerson, "yes", doctor.FactDirectoryRoles, admin}, doctor.Fine, doctor.Untested},
		"a person who may own applications":       {[]string{doctor.FactGranted, "Application.ReadWrite.All", doctor.FactPerson, "yes"}, doctor.Untested, doctor.Untested},
		"a person without the scope":              {[]string{doctor.FactGranted, "User.Read", doctor.FactPerson, "yes", doctor.FactDirectoryRoles, admin}, doctor.Missing, doctor.Untested},
		"a token that says nothing":               {nil, doctor.Untested, doctor.Untested},
	} {
		t.Run(name, func(t *testing.T) {
			r := doctor.Diagnose(source(inventory.SourceEntra, answer(doctor.CheckApplications, 200, tc.facts...)), "")
			if x := of(t, r, permissions.GraphOwnedBy); x.State != tc.owned || (x.State == doctor.Missing) != (len(x.Grant) > 0 && strings.Contains(x.Text, "lacks")) && x.State != doctor.Untested {
				t.Errorf("%+v", x)
			}
			if x := of(t, r, permissions.GraphPolicyWrite); x.State != tc.policy {
				t.Errorf("%+v", x)
			}
			if (r.State == doctor.Missing) != (tc.owned == doctor.Missing) {
				t.Errorf("%s", r.State)
			}
			// Who only scans needs none of them.
			if r := doctor.Diagnose(source(inventory.SourceEntra, answer(doctor.CheckApplications, 200, tc.facts...)), permissions.Scan); r.State != doctor.Fine {
				t.Errorf("for a scan: %+v", r)
			}
		})
	}
}

func TestAWrongClockIsTold(t *testing.T) {
	for skew, want := range map[time.Duration]doctor.State{0: doctor.Fine, time.Minute: doctor.Fine, -time.Hour: doctor.Missing, time.Hour: doctor.Missing} {
		s := source(inventory.SourceEntra, answer(doctor.CheckApplications, 200))
		s[0].Skew = skew
		r := doctor.Diagnose(s, "")
		if r.State != want {
			t.Errorf("%s: %+v", skew, r)
		}
		if (skew != 0) != (strings.Contains(strings.Join(r.Sources[0].Notes, " "), "clock") || want == doctor.Missing) {
			t.Errorf("%s: %+v", skew, r)
		}
	}
}

func TestTheWorstAnswerAboutAPermissionStands(t *testing.T) {
	r := doctor.Diagnose(source(inventory.SourceEntra, answer(doctor.CheckApplications, 200), answer(doctor.CheckFederated, 403), answer(doctor.CheckApplications, 200)), "")
	if x := of(t, r, permissions.GraphApplicationRead); x.State != doctor.Missing || !strings.Contains(x.Object, "federated") {
		t.Errorf("%+v", x)
	}
}
