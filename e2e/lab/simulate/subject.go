package simulate

import (
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// GitHubIssuer is the issuer of the tokens of github.com's runs.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

// ExchangeAudience is the audience that Entra expects of a federated token in the public cloud.
const ExchangeAudience = "api://AzureADTokenExchange"

// subjectSettings is how a repository's tokens name it.
type subjectSettings struct {
	keys      []string
	immutable bool
	asCreated bool // the environment's name as it was created, not as the workflow writes it
}

// subjectsOf reads the customisation: a repository that does not use the default has its own keys, or else its
// organisation's (GitHub REST, "Set the customization template for an OIDC subject claim for a repository").
func subjectsOf(r *world.Repo, a *world.Account, k world.Knobs) subjectSettings {
	s := subjectSettings{immutable: r.OIDC.Immutable, asCreated: k.EnvironmentAsCreated}
	if !r.OIDC.UseDefault {
		s.keys = append(s.keys, r.OIDC.IncludeClaimKeys...)
		if len(s.keys) == 0 {
			s.keys = append(s.keys, a.OIDCKeys...)
		}
	}
	return s
}

// repoValue is the repository in a subject; the immutable form carries the ids.
func (p *project) repoValue() string {
	if p.subject.immutable {
		return fmt.Sprintf("%s@%d/%s@%d", p.owner, p.ownerID, p.name, p.id)
	}
	return p.full
}

// claims are what GitHub's issuer says of a job, without sub and times.
func (r *run) claims(j *jobRun) map[string]any {
	p := r.p
	c := map[string]any{
		"repository": p.full, "repository_id": fmt.Sprint(p.id),
		"repository_owner": p.owner, "repository_owner_id": fmt.Sprint(p.ownerID),
		"repository_visibility": p.visibility,
		"ref":                   r.at.ref, "sha": r.at.commit, "event_name": r.ev.Name, "actor": r.ev.actor(), "actor_id": "1",
		"head_ref": r.at.head, "base_ref": r.at.base,
		"workflow": r.wf.name, "workflow_ref": p.full + "/" + r.wf.path + "@" + r.at.ref, "workflow_sha": r.at.commit,
		"job_workflow_ref": j.file.ref, "job_workflow_sha": j.file.commit,
		"run_id": fmt.Sprint(r.out.ID), "run_number": "1", "run_attempt": "1", "runner_environment": "github-hosted",
	}
	_, kind := r.at.refName()
	c["ref_type"], c["ref_protected"] = kind, "false"
	if j.environment != "" {
		c["environment"] = r.environmentName(j)
	}
	return c
}

func (r *run) environmentName(j *jobRun) string {
	if created := r.p.environments[strings.ToLower(j.environment)]; created != "" && r.p.subject.asCreated {
		return created
	}
	return j.environment
}

// subject is the sub claim of a job: an environment wins over pull_request, and that over the ref. A colon within
// a value becomes %3A (github/docs, "OpenID Connect reference").
func (r *run) subject(j *jobRun) string {
	keys := r.p.subject.keys
	if len(keys) == 0 {
		keys = []string{"repo", "context"}
	}
	claims := r.claims(j)
	var parts []string
	for _, k := range keys {
		switch k {
		case "repo":
			parts = append(parts, "repo:"+escape(r.p.repoValue()))
		case "context":
			parts = append(parts, r.context(j))
		default:
			parts = append(parts, k+":"+escape(fmt.Sprint(orBlank(claims[k]))))
		}
	}
	return strings.Join(parts, ":")
}

func (r *run) context(j *jobRun) string {
	if j.environment != "" {
		return "environment:" + escape(r.environmentName(j))
	}
	return r.at.context
}

func orBlank(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func escape(s string) string { return strings.ReplaceAll(s, ":", "%3A") }

// token signs the token that a job of this run gets for an audience.
func (r *run) token(j *jobRun, audience string) (string, error) {
	claims := r.claims(j)
	now := r.s.now()
	claims["iss"], claims["sub"], claims["aud"] = GitHubIssuer, j.subject, audience
	claims["jti"] = fmt.Sprintf("%d-%s-%d", r.out.ID, j.out.ID, now.UnixNano())
	claims["iat"], claims["nbf"], claims["exp"] = now.Unix(), now.Add(-10*time.Minute).Unix(), now.Add(5*time.Minute).Unix()
	tok, err := r.s.idp.Sign(GitHubIssuer, claims)
	if err != nil {
		return "", fmt.Errorf("signing the token of job %s: %w", j.out.ID, err)
	}
	return tok, nil
}
