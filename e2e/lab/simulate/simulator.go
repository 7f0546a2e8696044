package simulate

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// IdentityProvider issues the platforms' tokens and is the token endpoint that they are presented to.
type IdentityProvider interface {
	// Sign makes a token of an issuer with these claims.
	Sign(issuer string, claims map[string]any) (string, error)
	// Exchange is a request to {tenant}/oauth2/v2.0/token; it gives the HTTP status and the JSON body.
	Exchange(tenant string, form url.Values) (status int, body map[string]any)
}

// Simulator runs workflows and pipelines of a world. It may be used by several goroutines at once.
type Simulator struct {
	w     *world.World
	idp   IdentityProvider
	cache sync.Map // blob oid + path → *workflow
	acts  sync.Map // blob oid → *action
}

// New makes a simulator of a world whose tokens the identity provider issues and checks. The simulator never
// holds the world's lock while it calls the identity provider.
func New(w *world.World, idp IdentityProvider) *Simulator {
	return &Simulator{w: w, idp: idp}
}

// Event is something that happens to a repository.
type Event struct {
	Name     string            // push, pull_request, pull_request_target, schedule, workflow_dispatch, …
	Ref      string            // full ref: what was pushed, the head of the pull request, the dispatch's choice; empty: the default branch
	Base     string            // base branch of a pull request or merge group; empty: the default branch
	Type     string            // activity type, or the cron line of a schedule; empty: one that the workflow listens to
	Workflow string            // path of one workflow; empty: all that listen
	Inputs   map[string]string // of workflow_dispatch; client_payload of repository_dispatch
	Actor    string            // empty: octocat
	Paths    []string          // changed files; empty: every path filter matches
	Fork     bool              // a pull request from a fork
	Sample   bool              // the ref is an invented one that stands for many (set by Events; Run does not look at it)
}

// actor is who caused the event.
func (ev Event) actor() string {
	if ev.Actor == "" {
		return "octocat"
	}
	return ev.Actor
}

const dependabot = "dependabot[bot]"

// project is what a run needs of a repository, copied under the world's lock.
type project struct {
	owner, name, full string
	ownerType         string
	id, ownerID       int64
	visibility        string
	archived          bool
	defaultBranch     string
	setting           string // default permissions
	subject           subjectSettings
	refs              map[string]string
	secrets           map[string]*object // "", env:<lower name>, dependabot
	vars              map[string]*object
	environments      map[string]string // lower name → name as it was created
	held              map[string]bool   // lower names of those whose reviewers let jobs wait
}

// find copies a repository; full is "owner/name" in any case.
func (s *Simulator) find(full string) (*project, error) {
	s.w.Lock()
	defer s.w.Unlock()
	r := s.w.GitHub.Repos[strings.ToLower(full)]
	if r == nil {
		return nil, fmt.Errorf("repository %s does not exist in the lab", full)
	}
	p := &project{
		owner: r.Owner, name: r.Name, full: r.FullName(), id: r.ID,
		visibility: orElse(r.Visibility, "private"), defaultBranch: orElse(r.DefaultBranch, "main"), setting: r.DefaultPermissions, archived: r.Archived,
		refs: map[string]string{}, environments: map[string]string{}, held: map[string]bool{},
	}
	for k, v := range r.Refs {
		p.refs[k] = v
	}
	account := s.w.GitHub.Accounts[strings.ToLower(r.Owner)]
	if account == nil {
		account = &world.Account{Login: r.Owner, Type: "Organization"}
	}
	p.ownerID, p.ownerType = account.ID, account.Type
	if p.setting == "" {
		p.setting = account.DefaultPermissions
	}
	p.subject = subjectsOf(r, account, s.w.Knobs)
	p.secrets, p.vars = storesOf(r, account)
	for _, e := range r.Environments {
		p.environments[strings.ToLower(e.Name)] = e.Name
		p.held[strings.ToLower(e.Name)] = e.Reviewers > 0 && s.w.Knobs.ReviewersHold
	}
	return p, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// commit resolves a ref of a project. A ref that does not exist was just branched off the default branch.
func (p *project) commit(ref string) string {
	if oid, ok := p.refs[ref]; ok {
		return oid
	}
	return p.refs["refs/heads/"+p.defaultBranch]
}

// files lists the tree of a commit: path → blob oid.
func (s *Simulator) files(full, commit string) map[string]string {
	s.w.Lock()
	defer s.w.Unlock()
	r := s.w.GitHub.Repos[strings.ToLower(full)]
	if r == nil || r.Commits[commit] == nil {
		return nil
	}
	tree := r.Trees[r.Commits[commit].Tree]
	out := make(map[string]string, len(tree))
	for p, oid := range tree {
		if isWorkflowPath(p) || isActionPath(p) {
			out[p] = oid
		}
	}
	return out
}

func (s *Simulator) blob(full, oid string) []byte {
	s.w.Lock()
	defer s.w.Unlock()
	if r := s.w.GitHub.Repos[strings.ToLower(full)]; r != nil {
		return r.Blobs[oid]
	}
	return nil
}

// workflow reads a workflow file, once for each content.
func (s *Simulator) workflow(full, file, oid string) *workflow {
	key := file + "\x00" + oid
	if wf, ok := s.cache.Load(key); ok {
		return wf.(*workflow)
	}
	wf, _ := s.cache.LoadOrStore(key, readWorkflow(file, s.blob(full, oid)))
	return wf.(*workflow)
}

// Run lets an event happen to a repository ("owner/name"): every workflow that listens to it runs. The runs are
// appended to the repository and given back. The error is about the event; what goes wrong in a run is in the run.
func (s *Simulator) Run(repository string, ev Event) ([]*world.WorkflowRun, error) {
	p, err := s.find(repository)
	if err != nil {
		return nil, err
	}
	at, err := p.locate(ev)
	if err != nil || p.archived {
		return nil, err // nothing runs in an archived repository
	}
	files := s.files(p.full, at.commit)
	var runs []*world.WorkflowRun
	for _, file := range sortedKeys(files) {
		if !isWorkflowPath(file) || ev.Workflow != "" && ev.Workflow != file {
			continue
		}
		run, err := s.runFile(p, s.workflow(p.full, file, files[file]), ev, at, files)
		if err != nil {
			return runs, fmt.Errorf("event %s on workflow %s of %s: %w", ev.Name, file, p.full, err)
		}
		if run != nil {
			runs = append(runs, run)
		}
	}
	s.record(p.full, runs)
	return runs, nil
}

func (s *Simulator) record(full string, runs []*world.WorkflowRun) {
	s.w.Lock()
	defer s.w.Unlock()
	if r := s.w.GitHub.Repos[strings.ToLower(full)]; r != nil {
		r.Runs = append(r.Runs, runs...)
	}
}

func (s *Simulator) newNumber() int64 {
	s.w.Lock()
	defer s.w.Unlock()
	return s.w.NewNumber()
}

func (s *Simulator) now() time.Time { return s.w.Clock.Now() }
