package lab

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Demo is the scenario that the demonstration runs on.
//
//go:embed scenarios/demo.yaml
var Demo []byte

// Pipelines is the scenario with every kind of service connection and pipeline of Azure DevOps.
//
//go:embed scenarios/pipelines.yaml
var Pipelines []byte

// The types below are the seed file's. README.md describes it; scenarios/demo.yaml is an example with everything in it.
type (
	seedFile struct {
		Seed          uint64             `yaml:"seed"`
		Clock         string             `yaml:"clock"` // RFC 3339: the clock stands still there; empty: it runs
		Tenant        string             `yaml:"tenant"`
		Subscriptions []string           `yaml:"subscriptions"`
		Identities    []seedIdentity     `yaml:"identities"`
		AzureDevOps   []seedOrganization `yaml:"azureDevOps"`
		GitHub        []seedAccount      `yaml:"github"`
	}
	seedIdentity struct {
		Name         string          `yaml:"name"`
		Passwords    []seedPassword  `yaml:"passwords"`
		Certificates []seedPassword  `yaml:"certificates"` // connections with a certificate hold the first one
		Federated    []seedFederated `yaml:"federated"`
		Owners       []string        `yaml:"owners"`
		Roles        []seedRole      `yaml:"roles"`
		Tags         []string        `yaml:"tags"`
		Notes        string          `yaml:"notes"`
		NoPasswords  bool            `yaml:"noPasswords"`
		MultiTenant  bool            `yaml:"multiTenant"`
		Disabled     bool            `yaml:"disabled"`
	}
	seedPassword struct {
		Name     string `yaml:"name"`
		Created  age    `yaml:"created"`  // how long ago
		Expires  age    `yaml:"expires"`  // how long from now; negative: it has expired
		LastUsed age    `yaml:"lastUsed"` // how long ago; empty: never
	}
	seedFederated struct {
		Name       string `yaml:"name"`
		Issuer     string `yaml:"issuer"` // github, or a URL
		Subject    string `yaml:"subject"`
		Expression string `yaml:"expression"`
	}
	seedRole struct {
		Role  string `yaml:"role"`  // Contributor, AcrPush, Owner, Reader
		Scope string `yaml:"scope"` // a subscription's name, optionally with a path behind it
	}
	seedOrganization struct {
		Name        string           `yaml:"name"`
		Projects    []string         `yaml:"projects"`
		Connections []seedConnection `yaml:"connections"`

		seedPipelines `yaml:",inline"`
	}
	seedConnection struct {
		Name          string   `yaml:"name"`
		Projects      []string `yaml:"projects"` // the first is the origin
		Identity      string   `yaml:"identity"`
		Password      string   `yaml:"password"` // by name; empty: the first
		Subscription  string   `yaml:"subscription"`
		Automatic     bool     `yaml:"automatic"`
		Federated     bool     `yaml:"federated"`
		OldIssuer     bool     `yaml:"oldIssuer"`
		Registry      string   `yaml:"registry"` // makes it a dockerregistry connection
		RegistryAdmin bool     `yaml:"registryAdmin"`
		Unreadable    bool     `yaml:"unreadable"`
		Disabled      bool     `yaml:"disabled"`
		Certificate   bool     `yaml:"certificate"` // instead of a key: a real one, which its application has
		Kubernetes    string   `yaml:"kubernetes"`  // makes it a cluster's: AzureSubscription, Kubeconfig or ServiceAccount
		Type          string   `yaml:"type"`        // makes it another type's, with the scheme below and a password
		Scheme        string   `yaml:"scheme"`
		UsedBy        string   `yaml:"usedBy"` // a pipeline's name
		LastUsed      age      `yaml:"lastUsed"`
	}
	seedAccount struct {
		Name         string      `yaml:"name"`
		User         bool        `yaml:"user"`
		Permissions  string      `yaml:"permissions"` // read or write
		Secrets      []seedValue `yaml:"secrets"`
		Variables    []seedValue `yaml:"variables"`
		Repositories []seedRepo  `yaml:"repositories"`
	}
	seedRepo struct {
		Name         string            `yaml:"name"`
		Visibility   string            `yaml:"visibility"`
		Permissions  string            `yaml:"permissions"`
		Immutable    bool              `yaml:"immutable"`
		ClaimKeys    []string          `yaml:"claimKeys"`
		Archived     bool              `yaml:"archived"`
		Reviews      int               `yaml:"reviews"` // required on the default branch
		Environments []seedEnvironment `yaml:"environments"`
		Secrets      []seedValue       `yaml:"secrets"`
		Dependabot   []seedValue       `yaml:"dependabot"`
		Variables    []seedValue       `yaml:"variables"`
		Files        map[string]string `yaml:"files"`
	}
	seedEnvironment struct {
		Name      string      `yaml:"name"`
		Reviewers int         `yaml:"reviewers"`
		Secrets   []seedValue `yaml:"secrets"`
		Variables []seedValue `yaml:"variables"`
	}
	// seedValue is a secret or a variable. Exactly one of the fields after Repositories says what it holds.
	seedValue struct {
		Name         string   `yaml:"name"`
		Visibility   string   `yaml:"visibility"`   // of an organisation's: all, private or selected
		Repositories []string `yaml:"repositories"` // selected ones, by name
		Stored       age      `yaml:"stored"`       // how long ago a secret was written; empty: now

		Creds          string `yaml:"creds"`          // the JSON of an identity, or of identity/password
		Password       string `yaml:"password"`       // the password of an identity, or identity/password
		ClientID       string `yaml:"clientId"`       // of an identity
		Subscription   string `yaml:"subscription"`   // the id of a subscription
		TenantID       bool   `yaml:"tenantId"`       //
		PublishProfile string `yaml:"publishProfile"` // of an App Service of this name
		Other          bool   `yaml:"other"`          // a secret that has nothing to do with Azure
		Value          string `yaml:"value"`          // as it is; for variables
	}
)

// age is a time span that may be written in days: 90d, -3d, 12h.
type age struct {
	d   time.Duration
	set bool
}

// UnmarshalYAML reads a span.
func (a *age) UnmarshalYAML(n *yaml.Node) error {
	a.set = true
	if days, ok := strings.CutSuffix(n.Value, "d"); ok {
		v, err := strconv.Atoi(days)
		if err != nil {
			return fmt.Errorf("line %d: %q is not a number of days such as 90d", n.Line, n.Value)
		}
		a.d = time.Duration(v) * 24 * time.Hour
		return nil
	}
	d, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is not a time span such as 90d or 12h", n.Line, n.Value)
	}
	a.d = d
	return nil
}

// LoadSeed makes a world from a seed file. Unknown fields, and names that nothing has, are errors.
func LoadSeed(text []byte) (*world.World, error) {
	w, _, err := LoadSeedMapping(text)
	return w, err
}

// LoadSeedMapping is LoadSeed, and tells which identity is behind which GitHub secret.
func LoadSeedMapping(text []byte) (*world.World, Mapping, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var f seedFile
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read the lab's seed file: %w", err)
	}
	s := &seeder{file: &f, apps: map[string]*world.App{}, subs: map[string]*world.Subscription{}}
	if err := s.load(); err != nil {
		return nil, nil, fmt.Errorf("load the lab's seed file: %w", err)
	}
	return s.b.w, s.mapping, nil
}

type seeder struct {
	file    *seedFile
	b       *builder
	apps    map[string]*world.App          // by name
	subs    map[string]*world.Subscription // by name
	mapping Mapping
}

func (s *seeder) load() error {
	w := world.New(s.file.Seed)
	if s.file.Clock != "" {
		t, err := time.Parse(time.RFC3339, s.file.Clock)
		if err != nil {
			return fmt.Errorf("clock %q is not a time such as 2026-11-02T09:00:00Z", s.file.Clock)
		}
		w.Clock.Freeze(t)
	}
	if s.file.Tenant == "" {
		return errors.New("tenant is missing: name the directory that the identities are in")
	}
	s.b = newTenant(w, s.file.Tenant)
	for _, name := range s.file.Subscriptions {
		s.subs[name] = s.b.subscription(name)
	}
	for _, i := range s.file.Identities {
		if err := s.identity(i); err != nil {
			return fmt.Errorf("identity %q: %w", i.Name, err)
		}
	}
	for _, o := range s.file.AzureDevOps {
		if err := s.organization(o); err != nil {
			return fmt.Errorf("azureDevOps organization %q: %w", o.Name, err)
		}
	}
	for _, a := range s.file.GitHub {
		if err := s.account(a); err != nil {
			return fmt.Errorf("github account %q: %w", a.Name, err)
		}
	}
	return nil
}

func (s *seeder) identity(i seedIdentity) error {
	if i.Name == "" || s.apps[i.Name] != nil {
		return errors.New("the name is missing or taken")
	}
	a := s.b.app(i.Name)
	s.apps[i.Name] = a
	a.Tags, a.Notes, a.NoPasswords, a.Disabled = i.Tags, i.Notes, i.NoPasswords, i.Disabled
	if i.MultiTenant {
		a.SignInAudience = "AzureADMultipleOrgs"
	}
	for _, p := range i.Passwords {
		if !p.Expires.set {
			return fmt.Errorf("password %q: expires is missing", p.Name)
		}
		password := s.b.password(a, p.Name, p.Created.d, p.Expires.d)
		if p.LastUsed.set {
			s.b.used(a, "clientSecret", password.KeyID, p.LastUsed.d)
		}
	}
	for _, c := range i.Certificates {
		if !c.Expires.set {
			return fmt.Errorf("certificate %q: expires is missing", c.Name)
		}
		key, err := s.b.certificate(a, c.Name, c.Created.d, c.Expires.d)
		if err != nil {
			return err
		}
		if c.LastUsed.set {
			s.b.used(a, "certificate", key.KeyID, c.LastUsed.d)
		}
	}
	for _, f := range i.Federated {
		issuer := f.Issuer
		if issuer == "github" {
			issuer = login.GitHubIssuer
		}
		s.b.federated(a, f.Name, issuer, f.Subject).Expression = f.Expression
	}
	for _, name := range i.Owners {
		a.Owners = append(a.Owners, world.Principal{ObjectID: s.b.w.NewID(), DisplayName: name, UPN: strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@" + s.file.Tenant + ".example"})
	}
	for _, r := range i.Roles {
		if err := s.role(a, r); err != nil {
			return err
		}
	}
	return nil
}

// builtInRoles are the ids of Azure's built-in roles that seeds use (Microsoft Learn, "Azure built-in roles").
var builtInRoles = map[string]string{
	"Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Contributor": contributorRole, "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
	"AcrPush": acrPushRole, "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
}

func (s *seeder) role(a *world.App, r seedRole) error {
	id, ok := builtInRoles[r.Role]
	if !ok {
		return fmt.Errorf("role %q is not one of %s", r.Role, strings.Join(sortedKeys(builtInRoles), ", "))
	}
	name, path, _ := strings.Cut(r.Scope, "/")
	sub, err := s.subscription(name)
	if err != nil {
		return fmt.Errorf("role %s: %w", r.Role, err)
	}
	scope := "/subscriptions/" + sub.ID
	if path != "" {
		scope += "/" + path
	}
	s.b.role(a, r.Role, id, scope)
	return nil
}

func (s *seeder) subscription(name string) (*world.Subscription, error) {
	if name == "" && len(s.file.Subscriptions) > 0 {
		name = s.file.Subscriptions[0]
	}
	if sub := s.subs[name]; sub != nil {
		return sub, nil
	}
	return nil, fmt.Errorf("subscription %q is not in subscriptions", name)
}

// credential finds an identity and one of its passwords: identity or identity/password.
func (s *seeder) credential(name string) (*world.App, *world.AppPassword, error) {
	identity, password, named := strings.Cut(name, "/")
	a := s.apps[identity]
	if a == nil {
		return nil, nil, fmt.Errorf("identity %q is not in identities", identity)
	}
	for _, p := range a.Passwords {
		if !named || p.DisplayName == password {
			return a, p, nil
		}
	}
	return nil, nil, fmt.Errorf("identity %q has no password %q", identity, password)
}

func (s *seeder) organization(o seedOrganization) error {
	org := s.b.organization(o.Name)
	projects := map[string]*world.Project{}
	for _, name := range o.Projects {
		projects[name] = s.b.project(org, name)
	}
	for _, c := range o.Connections {
		if err := s.connection(org, projects, c); err != nil {
			return fmt.Errorf("connection %q: %w", c.Name, err)
		}
	}
	return s.pipelines(org, projects, o.seedPipelines)
}

func (s *seeder) connection(org *world.DevOpsOrg, projects map[string]*world.Project, c seedConnection) error {
	var in []*world.Project
	for _, name := range c.Projects {
		if projects[name] == nil {
			return fmt.Errorf("project %q is not in projects", name)
		}
		in = append(in, projects[name])
	}
	if len(in) == 0 {
		return errors.New("projects is missing: name the project that it was made in first")
	}
	sub, err := s.subscription(c.Subscription)
	if err != nil {
		return err
	}
	a, p, err := s.appOf(c)
	if err != nil {
		return err
	}
	conn := s.b.connection(org, c.Name, a, p, sub, c.Automatic, in...)
	if c.Registry != "" {
		s.b.registry(conn, c.Registry, c.RegistryAdmin)
	}
	if c.Federated {
		if err := s.b.federate(org, conn, a, c.OldIssuer); err != nil {
			return err
		}
	}
	if err := s.b.variant(conn, a, c); err != nil {
		return err
	}
	conn.Unreadable, conn.Disabled = c.Unreadable, c.Disabled
	if c.UsedBy != "" {
		s.b.pipelineUsed(conn, c.UsedBy, c.LastUsed.d)
	}
	return nil
}

// appOf finds the identity of a connection. A registry's admin user has none; a federated one needs no password.
func (s *seeder) appOf(c seedConnection) (*world.App, *world.AppPassword, error) {
	switch {
	case c.RegistryAdmin, c.Kubernetes != "", c.Type != "":
		return &world.App{SP: &world.ServicePrincipal{}}, &world.AppPassword{}, nil
	case c.Federated, c.Certificate:
		if a := s.apps[c.Identity]; a != nil {
			return a, &world.AppPassword{}, nil
		}
		return nil, nil, fmt.Errorf("identity %q is not in identities", c.Identity)
	case c.Password != "":
		return s.credential(c.Identity + "/" + c.Password)
	}
	return s.credential(c.Identity)
}
