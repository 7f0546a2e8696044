package lab

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const day = 24 * time.Hour

// Size says what Generate makes. A number that is left out gets a sensible one.
type Size struct {
	Repositories int
	Connections  int
	Projects     int    // of the one Azure DevOps organisation; 0: one for every ten connections
	Identities   int    // that repositories and manual connections use; 0: one for every three of them
	Seed         uint64 // the same size and seed give the same world
	LoginEvery   int    // one repository in so many signs in to Azure; 0: every one
	ShareEvery   int    // one repository in so many, of those that sign in, uses an organisation's shared secret; 0: one in five; below 0: none
	Clock        time.Time
	Pipelines    int // of Azure DevOps, spread over the projects; they use its connections in YAML, through a template, and classic
}

// defaults fills in what was left out.
func (s Size) defaults() Size {
	if s.LoginEvery <= 0 {
		s.LoginEvery = 1
	}
	if s.ShareEvery == 0 {
		s.ShareEvery = 5
	}
	if s.Projects <= 0 {
		s.Projects = s.Connections/10 + 1
	}
	if s.Identities <= 0 {
		s.Identities = (s.Repositories/s.LoginEvery+s.Connections/2)/3 + 1
	}
	if s.Clock.IsZero() {
		s.Clock = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	}
	return s
}

// generator makes one world; random decides the styles.
type generator struct {
	*builder
	size       Size
	random     *rand.Rand
	sub        *world.Subscription
	identities []*world.App
	shared     []*sharedSecret
	mapping    Mapping
}

// sharedSecret is an organisation's secret that some repositories use.
type sharedSecret struct {
	app    *world.App
	secret *world.Secret
	client *world.Variable
}

// reposPerShared is how many repositories use one shared secret.
const reposPerShared = 3

// Generate makes an organisation "contoso" of any size: the same size gives the same world, byte for byte. The mapping
// tells which identity is behind each GitHub secret; for about half of them a readable variable tells it too. The clock
// stands still.
func Generate(size Size) (*world.World, Mapping) {
	size = size.defaults()
	w := world.New(size.Seed)
	w.Clock.Freeze(size.Clock)
	b := newTenant(w, "contoso")
	g := &generator{
		builder: b, size: size, sub: b.subscription("contoso-production"),
		random: rand.New(rand.NewPCG(size.Seed, 0x6e6)), //nolint:gosec // deterministic on purpose
	}
	for i := range size.Identities {
		g.identities = append(g.identities, g.identity(fmt.Sprintf("pipeline-%03d", i)))
	}
	w.AddAccount("contoso", "Organization")
	g.repositories()
	if size.Connections > 0 {
		g.connections()
	}
	return w, g.mapping
}

// identity makes an application with a living password; some have an expired or a forgotten one beside it.
func (g *generator) identity(name string) *world.App {
	a := g.app(name)
	p := g.password(a, "pipeline", 200*day, 300*day)
	g.used(a, "clientSecret", p.KeyID, time.Duration(1+g.random.IntN(200))*time.Hour)
	switch g.random.IntN(6) {
	case 0:
		g.password(a, "old", 800*day, -40*day)
	case 1:
		g.password(a, "forgotten", 400*day, 100*day)
	}
	g.role(a, "Contributor", contributorRole, "/subscriptions/"+g.sub.ID+"/resourceGroups/"+name)
	return a
}

func (g *generator) repositories() {
	logins := 0
	for i := range g.size.Repositories {
		name := fmt.Sprintf("service-%04d", i)
		if i%g.size.LoginEvery != 0 {
			g.w.AddRepo("contoso", name, map[string]string{"README.md": "# " + name + "\n", ".github/workflows/ci.yml": plainCI})
			continue
		}
		logins++
		if g.size.ShareEvery > 0 && logins%g.size.ShareEvery == 0 {
			g.sharing(name, logins/g.size.ShareEvery-1)
			continue
		}
		g.owning(name, g.identities[logins%len(g.identities)])
	}
}

// owning makes a repository with a secret of its own, at the repository or in an environment.
func (g *generator) owning(name string, app *world.App) {
	s := g.style(app)
	repo := g.w.AddRepo("contoso", name, map[string]string{"README.md": "# " + name + "\n", ".github/workflows/" + s.file: s.text()})
	repo.OIDC.Immutable = g.random.IntN(8) == 0
	if g.random.IntN(3) == 0 {
		repo.DefaultPermissions = "write"
	}
	for _, environment := range s.environments {
		g.w.AddEnvironment(repo, environment)
	}
	secrets, variables, at := &repo.Secrets, &repo.Variables, Held{Repository: repo.FullName()}
	if len(s.environments) == 1 && g.random.IntN(2) == 0 {
		e := repo.Environment(s.environments[0])
		secrets, variables, at.Environment = &e.Secrets, &e.Variables, e.Name
	}
	g.store(s, app, secrets, variables, at)
	if g.random.IntN(10) == 0 {
		g.githubTrust(app, repo, "main")
	}
}

// store puts what a style reads into a repository's or an environment's stores.
func (g *generator) store(s *style, app *world.App, secrets *[]*world.Secret, variables *[]*world.Variable, at Held) {
	p := app.Passwords[0]
	value := p.Value
	if s.json {
		value = g.creds(app, p, g.sub)
	}
	at.Name, at.AppID, at.KeyID = g.w.SetSecret(secrets, s.secret, value).Name, app.AppID, p.KeyID
	g.mapping = append(g.mapping, at)
	ids := map[string]string{s.client: app.AppID, s.tenant: g.tenant.ID, s.subscription: g.sub.ID}
	for _, name := range sortedKeys(ids) {
		switch {
		case name == "":
		case s.readable:
			g.w.SetVariable(variables, name, ids[name])
		default:
			g.w.SetSecret(secrets, name, ids[name])
		}
	}
}

// sharing makes a repository that uses an organisation's secret, together with the next ones.
func (g *generator) sharing(name string, n int) {
	group := n / reposPerShared
	if group == len(g.shared) {
		g.share(group)
	}
	at := g.shared[group]
	s := g.style(at.app)
	s.credsStep(at.secret.Name)
	repo := g.w.AddRepo("contoso", name, map[string]string{".github/workflows/" + s.file: s.text()})
	for _, environment := range s.environments {
		g.w.AddEnvironment(repo, environment)
	}
	at.secret.Selected = append(at.secret.Selected, repo.ID)
	at.client.Selected = append(at.client.Selected, repo.ID)
}

func (g *generator) share(group int) {
	app := g.identity(fmt.Sprintf("shared-%02d", group))
	account := g.w.GitHub.Account("contoso")
	p := app.Passwords[0]
	secret := g.w.SetSecret(&account.Secrets, fmt.Sprintf("SHARED_%02d_AZURE_CREDENTIALS", group), g.creds(app, p, g.sub))
	client := g.w.SetVariable(&account.Variables, fmt.Sprintf("SHARED_%02d_AZURE_CLIENT_ID", group), app.AppID)
	secret.Visibility, client.Visibility = "selected", "selected"
	g.shared = append(g.shared, &sharedSecret{app: app, secret: secret, client: client})
	g.mapping = append(g.mapping, Held{Account: account.Login, Name: secret.Name, AppID: app.AppID, KeyID: p.KeyID})
}

func (g *generator) connections() {
	org := g.organization("contoso")
	var projects []*world.Project
	for i := range g.size.Projects {
		projects = append(projects, g.project(org, fmt.Sprintf("Project %02d", i)))
	}
	for i := range g.size.Connections {
		g.connectionNumber(org, projects, i)
	}
	g.devOpsPipelines(org, projects)
}

// connectionNumber makes connections of all kinds in a fixed rhythm.
func (g *generator) connectionNumber(org *world.DevOpsOrg, projects []*world.Project, i int) {
	name := fmt.Sprintf("azure-%03d", i)
	in := []*world.Project{projects[i%len(projects)]}
	if i%7 == 3 && len(projects) > 1 {
		in = append(in, projects[(i+1)%len(projects)])
	}
	automatic := i%2 == 0
	var app *world.App
	if automatic { // Azure DevOps makes an application for each
		app = g.app("contoso-" + in[0].Name + "-" + name)
		g.password(app, "", 300*day, 400*day)
		g.role(app, "Contributor", contributorRole, "/subscriptions/"+g.sub.ID)
	} else {
		app = g.identities[i%len(g.identities)]
	}
	c := g.connection(org, name, app, app.Passwords[0], g.sub, automatic, in...)
	switch {
	case i%17 == 8:
		g.registry(c, fmt.Sprintf("contoso%03d.azurecr.io", i), i%2 == 0)
	case i%10 == 5, i%13 == 6:
		// The ids are the world's own, so the subject can always be computed.
		if err := g.federate(org, c, app, i%13 == 6); err != nil {
			panic("lab: " + err.Error())
		}
	}
	c.Unreadable = i%23 == 21
	if i%3 != 2 {
		g.pipelineUsed(c, fmt.Sprintf("pipeline-%03d", i), time.Duration(1+g.random.IntN(60))*day)
	}
}

// githubTrust adds the federated credential of a branch, as a team that has begun to migrate would.
func (g *generator) githubTrust(app *world.App, repo *world.Repo, branch string) {
	g.federated(app, repo.Name+"-"+branch, login.GitHubIssuer, g.w.GitHub.SubjectPrefix(repo)+":ref:refs/heads/"+branch)
}
