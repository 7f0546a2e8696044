package github

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func rateLimit(c *call) answer {
	one := m{"limit": 5000, "remaining": 4999, "reset": c.w.Clock.Now().Add(time.Hour).Unix(), "used": 1}
	return ok(m{"resources": m{"core": one, "search": one, "graphql": one}, "rate": one})
}

func user(c *call) answer {
	if c.token.App {
		return forbidden
	}
	a := c.w.GitHub.Account(c.token.Login)
	if a == nil {
		a = &world.Account{ID: 1, Login: c.token.Login, Type: "User", NodeID: "U_kgDOAAAAAQ"}
	}
	return ok(with(c.owner(a), m{
		"user_view_type": "public", "name": a.Login, "company": nil, "blog": "", "location": nil, "email": nil,
		"hireable": nil, "bio": nil, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
		"created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
	}))
}

// installationToken mints a token for an app's installation: one that may only read if read permissions were
// asked for, otherwise one that may write. The app's own signed token is only looked at for its form.
func (s *server) installationToken(rw http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: s.w, r: r}
	s.w.Lock()
	a := c.mintInstallationToken()
	s.w.Unlock()
	a.write(rw, s.w.Clock.Now())
}

func (c *call) mintInstallationToken() answer {
	_, jwt, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if strings.Count(jwt, ".") != 2 {
		return fail(http.StatusUnauthorized, "A JSON web token could not be decoded")
	}
	if n, err := strconv.ParseInt(c.r.PathValue("installation"), 10, 64); err != nil || n < 1 {
		return notFound
	}
	var ask struct{ Permissions map[string]string }
	if a, ok := c.decode(&ask); !ok {
		return a
	}
	role := world.RoleReader
	for _, level := range ask.Permissions {
		if level == "write" {
			role = world.RoleOperator
		}
	}
	if len(ask.Permissions) == 0 {
		role = world.RoleOperator
	}
	t := &world.Token{Value: "ghs_" + c.w.NewSecret(), Role: role, Audience: world.AudienceGitHub, Login: "unsecret[bot]", App: true}
	c.w.Tokens[t.Value] = t
	return made(m{"token": t.Value, "expires_at": stamp(c.w.Clock.Now().Add(time.Hour)), "permissions": m{}, "repository_selection": "all"})
}

func getRepo(c *call) answer { return ok(c.fullRepo(c.repo)) }

func orgRepos(c *call) answer { return c.reposOf(c.org.Login) }

func userRepos(c *call) answer {
	a := c.w.GitHub.Account(c.r.PathValue("user"))
	if a == nil {
		return notFound
	}
	return c.reposOf(a.Login)
}

// ownRepos lists the repositories of the account that the token stands for.
func ownRepos(c *call) answer { return c.reposOf(c.token.Login) }

func (c *call) reposOf(login string) answer {
	all := slices.DeleteFunc(c.w.GitHub.ReposOf(login), func(r *world.Repo) bool { return !c.sees(r) })
	return list(c, "", all, c.minimalRepo)
}

// owner shows an account as a "simple user".
func (c *call) owner(a *world.Account) m {
	u := c.base() + "/users/" + a.Login
	return m{
		"login": a.Login, "id": a.ID, "node_id": a.NodeID, "type": a.Type, "site_admin": false,
		"avatar_url": u + "/avatar", "gravatar_id": "", "url": u, "html_url": c.base() + "/" + a.Login,
		"followers_url": u + "/followers", "following_url": u + "/following{/other_user}", "gists_url": u + "/gists{/gist_id}",
		"starred_url": u + "/starred{/owner}{/repo}", "subscriptions_url": u + "/subscriptions",
		"organizations_url": u + "/orgs", "repos_url": u + "/repos", "events_url": u + "/events{/privacy}",
		"received_events_url": u + "/received_events",
	}
}

// person shows somebody who may have no account in the world, such as a token's login.
func (c *call) person(login string) m {
	if a := c.w.GitHub.Account(login); a != nil {
		return c.owner(a)
	}
	return c.owner(&world.Account{ID: 1, Login: login, Type: "User", NodeID: "U_kgDOAAAAAQ"})
}

// repoLinks are the URLs of a repository's object, by the end of their path.
var repoLinks = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

func (c *call) repoURL(r *world.Repo) string { return c.base() + "/repos/" + r.FullName() }

func (c *call) htmlURL(r *world.Repo) string { return c.base() + "/" + r.FullName() }

// minimalRepo shows a repository as lists do.
func (c *call) minimalRepo(r *world.Repo) m {
	u := c.repoURL(r)
	out := m{
		"id": r.ID, "node_id": r.NodeID, "name": r.Name, "full_name": r.FullName(), "owner": c.person(r.Owner),
		"private": r.Visibility != "public", "visibility": r.Visibility, "html_url": c.htmlURL(r), "description": nil,
		"fork": r.Fork, "url": u, "archived": r.Archived, "disabled": false, "default_branch": r.DefaultBranch,
		"created_at": stamp(r.Created), "updated_at": stamp(r.Created), "pushed_at": stamp(c.pushed(r)),
		"permissions": m{"admin": c.mayWrite(), "push": c.mayWrite(), "pull": true},
	}
	for k, end := range repoLinks {
		out[k] = u + end
	}
	return out
}

// pushed is the time of the newest commit on the default branch.
func (c *call) pushed(r *world.Repo) time.Time {
	if head := r.Commits[r.Resolve("HEAD")]; head != nil {
		return head.Time
	}
	return r.Created
}

// fullRepo shows a repository on its own.
func (c *call) fullRepo(r *world.Repo) m {
	html := c.htmlURL(r)
	return with(c.minimalRepo(r), m{
		"clone_url": html + ".git", "git_url": "git:" + strings.TrimPrefix(html, "http:") + ".git", "ssh_url": "git@" + c.r.Host + ":" + r.FullName() + ".git",
		"svn_url": html, "mirror_url": nil, "homepage": nil, "language": nil, "license": nil, "size": 1,
		"forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
		"open_issues": 0, "open_issues_count": 0, "network_count": 0, "subscribers_count": 0,
		"has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
		"has_downloads": true, "allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": false,
	})
}
