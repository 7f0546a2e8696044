package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Sources is what one scan reads. Any of them may be absent.
type Sources struct {
	AzureDevOps []AzureDevOps
	GitHub      []GitHubScope
	Entra       Entra
	Azure       Azure
}

// GitHubScope is what to read of one GitHub host: all repositories of some owners, and single repositories.
type GitHubScope struct {
	Client       GitHub
	Owners       []string
	Repositories []inventory.RepositoryName
}

// Options are the choices of one scan. The zero value reads everything that Sources names, with the defaults below.
type Options struct {
	Tool string           // name and version of the program, recorded in the inventory
	Now  func() time.Time // default time.Now

	// Applications are further client ids to read, such as those that a mapping file names.
	Applications []inventory.AppID
	// AllApplications reads every application of the tenant, so that one that already trusts a repository can
	// be recognised as the identity behind that repository's secrets.
	AllApplications bool
	// Targets are globs of the names of managed identities that a plan may move units to.
	Targets []string
	// SignInWindow is how far back the sign-in log is read; default 30 days, the retention of Entra ID P1 and P2
	// (Microsoft Learn, "Microsoft Entra data retention").
	SignInWindow time.Duration
	// HistoryLimit is how many executions of a connection are kept for each project; default 50.
	HistoryLimit int
	// Concurrency bounds the objects that are read at once; default 8.
	Concurrency int
	// Parts keeps what has been read, so that a scan that was interrupted goes on from there; nil keeps nothing.
	Parts *Parts
	// Progress, when set, is told of each object that has been read. It is called concurrently.
	Progress func(Event)
}

// Event tells of progress: Done of Total objects of a kind have been read. Total is 0 while it is not known.
type Event struct {
	Kind  string // "projects", "connections", "repositories", "repository settings", "applications", "sign-ins"
	Done  int
	Total int
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SignInWindow == 0 {
		o.SignInWindow = 30 * 24 * time.Hour
	}
	if o.HistoryLimit == 0 {
		o.HistoryLimit = 50
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	return o
}

// scanner collects results of concurrent readers.
type scanner struct {
	o   Options
	mu  sync.Mutex
	inv inventory.Inventory

	progress map[string]*Event
	unasked  []string // sources that there was nothing to ask of, and why

	gitHubFiles []GitHubFiles // for pipelines of Azure DevOps whose YAML is on GitHub
}

func newScanner(sources Sources, o Options) *scanner {
	s := &scanner{o: o.withDefaults(), progress: map[string]*Event{}}
	s.inv = inventory.Inventory{Version: inventory.Version, Tool: o.Tool}
	for _, scope := range sources.GitHub {
		if files, ok := scope.Client.(GitHubFiles); ok {
			s.gitHubFiles = append(s.gitHubFiles, files)
		}
	}
	return s
}

// Run reads all sources and gives the inventory. What cannot be read becomes a gap and never stops the rest;
// an error is returned only when the context ends or when not a single source could be read.
func Run(ctx context.Context, sources Sources, o Options) (*inventory.Inventory, error) {
	s := newScanner(sources, o)
	g, gctx := errgroup.WithContext(ctx)
	for _, org := range sources.AzureDevOps {
		g.Go(func() error {
			defer crash.Report()
			return s.devOps(gctx, org)
		})
	}
	for _, scope := range sources.GitHub {
		g.Go(func() error {
			defer crash.Report()
			return s.github(gctx, scope)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := s.managedPools(ctx, sources.Azure); err != nil {
		return nil, err
	}
	if sources.Entra != nil {
		if err := s.entra(ctx, sources.Entra, sources.Azure); err != nil {
			return nil, err
		}
	}
	if len(s.inv.Sources) == 0 {
		return nil, s.nothingRead()
	}
	s.inv.ScannedAt = s.o.Now().UTC().Truncate(time.Second)
	if taken, _ := s.o.Parts.Used(); taken > 0 {
		s.inv.ScannedAt = s.o.Parts.Began() // nothing in it is older
	}
	Sort(&s.inv)
	return &s.inv, nil
}

func (s *scanner) nothingRead() error {
	errs := []error{errors.New("nothing could be scanned")}
	for _, g := range s.inv.Gaps {
		errs = append(errs, fmt.Errorf("%s %s: %s", g.Source, g.Object, g.Message))
	}
	also := s.unasked
	if len(s.inv.Gaps) > 0 { // there was nothing to ask since nothing else could be read
		also = []string{"unsecret doctor checks the network, the sign-in and the permissions of each, and says what to do"}
	}
	for _, text := range also {
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// gap records what could not be read. The end of the context is not a gap: it ends the scan.
func (s *scanner) gap(ctx context.Context, g inventory.Gap) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inv.Gaps = append(s.inv.Gaps, g)
	if g.Passing {
		s.o.Parts.miss()
	}
	return nil
}

// gaps takes over gaps that a provider has found.
func (s *scanner) gaps(list []inventory.Gap) {
	s.add(func(inv *inventory.Inventory) { inv.Gaps = append(inv.Gaps, list...) })
	if slices.ContainsFunc(list, func(g inventory.Gap) bool { return g.Passing }) {
		s.o.Parts.miss()
	}
}

func (s *scanner) add(f func(*inventory.Inventory)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.inv)
}

func (s *scanner) expect(kind string, total int) { s.step(kind, 0, total) }
func (s *scanner) read(kind string, n int)       { s.step(kind, n, 0) }

func (s *scanner) step(kind string, done, total int) {
	if s.o.Progress == nil {
		return
	}
	s.mu.Lock()
	e := s.progress[kind]
	if e == nil {
		e = &Event{Kind: kind}
		s.progress[kind] = e
	}
	e.Done += done
	e.Total += total
	now := *e
	s.mu.Unlock()
	s.o.Progress(now)
}

// Sort puts every slice of an inventory into the order of its ids and replaces nil slices by empty ones, so that the
// same world gives the same bytes.
func Sort(inv *inventory.Inventory) {
	by(&inv.Sources, func(x inventory.Source) string { return string(x.Kind) + "/" + x.Name })
	by(&inv.Identities, func(x inventory.Identity) string { return string(x.AppID) })
	by(&inv.Connections, func(x inventory.Connection) string { return x.Organization + "/" + string(x.ID) })
	by(&inv.Repositories, func(x inventory.Repository) string { return string(x.Name) })
	slices.SortStableFunc(inv.Logins, func(a, b inventory.Login) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Kind, b.Kind))
	})
	if inv.Logins == nil {
		inv.Logins = []inventory.Login{}
	}
	by(&inv.Terraform, func(x inventory.TerraformResource) string {
		return fmt.Sprintf("%s/%s:%08d", x.Repository, x.File, x.Line)
	})
	inv.Terraform = slices.Compact(inv.Terraform) // pipelines of one repository tell the same
	by(&inv.Secrets, func(x inventory.Secret) string { return SecretKey(x) })
	by(&inv.Variables, func(x inventory.Variable) string {
		return x.Owner + "/" + string(x.Repository) + "/" + string(x.Level) + "/" + x.Environment + "/" + x.Name
	})
	slices.SortStableFunc(inv.Mentions, func(a, b inventory.Mention) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if inv.Mentions == nil {
		inv.Mentions = []inventory.Mention{}
	}
	slices.SortStableFunc(inv.Gaps, func(a, b inventory.Gap) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Object, b.Object), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	if inv.Gaps == nil {
		inv.Gaps = []inventory.Gap{}
	}
	for i := range inv.Identities {
		id := &inv.Identities[i]
		by(&id.Credentials, func(x inventory.Credential) string { return x.On + "/" + string(x.KeyID) })
		by(&id.FederatedCredentials, func(x inventory.FederatedCredential) string { return x.Name })
		slices.Sort(id.Owners)
		slices.SortStableFunc(id.Roles, func(a, b inventory.RoleAssignment) int {
			return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
		})
		slices.SortStableFunc(id.SignIns.SignIns, func(a, b inventory.SignIn) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
		})
	}
}

// SecretKey names a secret uniquely: owner, repository, level, environment and name.
func SecretKey(x inventory.Secret) string {
	return x.Owner + "/" + string(x.Repository) + "/" + string(x.Level) + "/" + x.Environment + "/" + x.Name
}

func by[T any](list *[]T, key func(T) string) {
	if *list == nil {
		*list = []T{}
	}
	slices.SortStableFunc(*list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}
