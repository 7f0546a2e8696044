package github

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// prober probes one owner, or one repository.
type prober struct {
	*Client
	owner      string
	repository inventory.RepositoryName // empty: the first that the owner shows
}

// OwnerProber probes an organisation or user, with its first repository as an example.
func (c *Client) OwnerProber(owner string) doctor.Prober { return prober{c, owner, ""} }

// RepositoryProber probes one repository, and its owner.
func (c *Client) RepositoryProber(repo inventory.RepositoryName) doctor.Prober {
	return prober{c, repo.Owner(), repo}
}

// Probe implements doctor.Prober: what kind of token it is and what it may read of a repository and its organisation.
func (p prober) Probe(ctx context.Context) doctor.Source {
	s := doctor.Source{Kind: inventory.SourceGitHub, Name: p.owner, URL: strings.TrimSuffix(p.rest.BaseURL.String(), "/")}
	if p.repository != "" {
		s.Name = string(p.repository)
	}
	who := p.ask(ctx, "user")
	s.Skew = who.Skew
	token := tokenAnswer(who, p.host)
	s.Answers = append(s.Answers, token)
	if token.Status == 0 || token.Status == http.StatusUnauthorized {
		return s
	}
	organization := true
	if p.repository == "" {
		var answer doctor.Answer
		answer, organization = p.example(ctx)
		p.repository = inventory.RepositoryName(answer.Facts[doctor.FactSubject])
		if p.repository == "" || answer.Facts[doctor.FactPublic] != "" {
			s.Answers = append(s.Answers, answer)
		}
	}
	if p.repository != "" {
		s.Answers = append(s.Answers, p.probeRepository(ctx)...)
	}
	if organization {
		s.Answers = append(s.Answers, p.probeOrganization(ctx)...)
	}
	return s
}

// tokenAnswer tells tokens apart by what GitHub says of them: only classic ones have scopes, and only installations of
// apps may not ask for their user (GitHub Docs: Scopes for OAuth apps; Get the authenticated user).
func tokenAnswer(r transport.Reply, host string) doctor.Answer {
	a := r.Answer(doctor.CheckToken, "the token for "+host)
	if a.Status == 0 {
		return a
	}
	scopes, classic := r.Header["X-Oauth-Scopes"]
	switch {
	case classic:
		a.Facts[doctor.FactTokenKind], a.Facts[doctor.FactScopes] = doctor.TokenClassic, strings.Join(scopes, ", ")
	case a.OK():
		a.Facts[doctor.FactTokenKind] = doctor.TokenFineGrained
	case a.Status == http.StatusForbidden && strings.Contains(a.Message, "integration"):
		a.Facts[doctor.FactTokenKind] = doctor.TokenApp
		a.Status, a.Message = http.StatusOK, ""
	}
	if expires := r.Header.Get("Github-Authentication-Token-Expiration"); expires != "" {
		a.Facts[doctor.FactExpires] = expires
	}
	var user struct {
		Login string `json:"login"`
	}
	if r.Decode(&user) {
		a.Facts[doctor.FactCaller] = user.Login
	}
	return a
}

// example finds a repository of the owner, and whether the owner is an organisation.
func (p prober) example(ctx context.Context) (doctor.Answer, bool) {
	organization := true
	reply := p.ask(ctx, "orgs/"+url.PathEscape(p.owner)+"/repos?per_page=100")
	if reply.Status == http.StatusNotFound {
		if users := p.ask(ctx, "users/"+url.PathEscape(p.owner)+"/repos?per_page=100"); users.Status == http.StatusOK {
			reply, organization = users, false
		}
	}
	a := reply.Answer(doctor.CheckRepository, "repositories of "+p.owner)
	var list []struct {
		Name    string `json:"full_name"`
		Private bool   `json:"private"`
	}
	if !reply.Decode(&list) {
		return a, organization
	}
	a.Facts[doctor.FactSeen] = strconv.Itoa(len(list))
	for _, r := range list {
		// Everybody can read a public one, so a private one tells more.
		if r.Private || a.Facts[doctor.FactSubject] == "" {
			a.Facts[doctor.FactSubject] = r.Name
		}
		if r.Private {
			return a, organization
		}
	}
	if len(list) > 0 {
		a.Facts[doctor.FactPublic] = "yes"
	}
	return a, organization
}

// probeRepository asks for one thing that needs each permission.
func (p prober) probeRepository(ctx context.Context) []doctor.Answer {
	at := "repos/" + string(p.repository) + "/"
	reply := p.ask(ctx, at+"branches?per_page=1")
	out := []doctor.Answer{answered(reply, doctor.CheckRepository, "branches of "+string(p.repository))}
	type read struct {
		check      doctor.Check
		what, path string
	}
	reads := []read{
		{doctor.CheckOIDC, "OIDC subject of ", "actions/oidc/customization/sub"},
		{doctor.CheckPermissions, "default token permissions of ", "actions/permissions/workflow"},
		{doctor.CheckSecrets, "secrets of ", "actions/secrets?per_page=1"},
		{doctor.CheckVariables, "variables of ", "actions/variables?per_page=1"},
		{doctor.CheckDependabot, "Dependabot secrets of ", "dependabot/secrets?per_page=1"},
		{doctor.CheckPulls, "pull requests of ", "pulls?per_page=1"},
	}
	var branches []struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if reply.Decode(&branches) && len(branches) > 0 {
		commit := "commits/" + url.PathEscape(branches[0].Commit.SHA)
		reads = append(reads, read{doctor.CheckChecks, "checks of ", commit + "/check-runs?per_page=1"}, read{doctor.CheckChecks, "commit statuses of ", commit + "/status?per_page=1"})
	}
	for _, r := range reads {
		out = append(out, p.answer(ctx, r.check, r.what+string(p.repository), at+r.path))
	}
	if e, ok := p.probeEnvironment(ctx); ok {
		out = append(out, e)
	}
	return out
}

// probeEnvironment asks for the secrets of the first environment, where there is one and it may be known.
func (p prober) probeEnvironment(ctx context.Context) (doctor.Answer, bool) {
	at := "repos/" + string(p.repository) + "/environments"
	var list struct {
		Environments []struct {
			Name string `json:"name"`
		} `json:"environments"`
	}
	if reply := p.ask(ctx, at+"?per_page=1"); !reply.Decode(&list) || len(list.Environments) == 0 {
		return doctor.Answer{}, false
	}
	name := list.Environments[0].Name
	return p.answer(ctx, doctor.CheckEnvironments, "secrets of environment "+name+" of "+string(p.repository), at+"/"+url.PathEscape(name)+"/secrets?per_page=1"), true
}

func (p prober) probeOrganization(ctx context.Context) []doctor.Answer {
	path := "orgs/" + url.PathEscape(p.owner)
	return []doctor.Answer{
		p.answer(ctx, doctor.CheckOrgSecrets, "secrets of organisation "+p.owner, path+"/actions/secrets?per_page=1"),
		p.answer(ctx, doctor.CheckOrgVariables, "variables of organisation "+p.owner, path+"/actions/variables?per_page=1"),
		p.answer(ctx, doctor.CheckOrgPermissions, "OIDC subject of organisation "+p.owner, path+"/actions/oidc/customization/sub"),
	}
}

func (p prober) answer(ctx context.Context, check doctor.Check, object, path string) doctor.Answer {
	return answered(p.ask(ctx, path), check, object)
}

// answered is a reply with the permissions that would be accepted, which GitHub tells with a refusal.
func answered(reply transport.Reply, check doctor.Check, object string) doctor.Answer {
	a := reply.Answer(check, object)
	if accepted := reply.Header.Get("X-Accepted-Github-Permissions"); accepted != "" && a.Facts != nil {
		a.Facts[doctor.FactAccepted] = accepted
	}
	return a
}

func (p prober) ask(ctx context.Context, path string) transport.Reply {
	return transport.Ask(ctx, p.http, p.rest.BaseURL.String()+path, nil)
}
