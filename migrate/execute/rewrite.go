package execute

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// sources are a repository's workflows and actions as they were at the scan, and how its logins are to be rewritten. What
// a file must look like follows from them and the set of rewritten logins alone: before the first pull request, after
// it, and after one unit of several was rolled back.
type sources struct {
	step  plan.PullRequestStep
	oids  map[string]string
	files map[string][]byte
	names map[inventory.LoginID]plan.IdentityNames
	owner map[inventory.LoginID][]string // units: several where the login signs in as several identities
	cfg   plan.Config
	// alias gives the ids that planned logins have where the files are not those of the scan any more.
	alias map[inventory.LoginID]inventory.LoginID
	// steps are those that are steps of Azure Pipelines, and pipelines the files that they are in.
	steps     map[inventory.LoginID]bool
	pipelines map[string]bool
	both      map[inventory.LoginID]bool            // steps whose new text works with a stored secret, too
	renames   map[inventory.LoginID]pipeline.Rename // those that are no steps, but names of connections
}

// sources reads the blobs that the plan names for a repository.
func (e *Executor) sources(ctx context.Context, repo inventory.RepositoryName) (*sources, error) {
	src := &sources{oids: map[string]string{}, files: map[string][]byte{}, names: map[inventory.LoginID]plan.IdentityNames{},
		owner: map[inventory.LoginID][]string{}, cfg: e.Plan.Settings, steps: map[inventory.LoginID]bool{}, both: map[inventory.LoginID]bool{}, pipelines: map[string]bool{}, renames: map[inventory.LoginID]pipeline.Rename{}}
	for _, u := range e.Plan.Units {
		if s, ok := u.Step(plan.PullRequestID(repo)); ok {
			src.add(u.ID, *s.PullRequest)
		}
	}
	src.know(e.Plan, repo)
	for path, oid := range planOIDs(src.step) {
		content, err := e.host(repo).Blob(ctx, repo, oid)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s as it was at the scan: %w", path, repo, err)
		}
		src.oids[path], src.files[path] = oid, content
	}
	if moved := look(e, func(f *fold) map[string]string { return e.rebasedOn(f, &src.step) }); len(moved) > 0 {
		if err := e.reload(ctx, src, repo, moved); err != nil {
			return nil, fmt.Errorf("find the logins of %s in its changed files again: %w", repo, err)
		}
	}
	return src, nil
}

// add takes in what one unit has to do with the repository. Every unit names the pipelines that it changes, and no others.
func (s *sources) add(unit string, step plan.PullRequestStep) {
	files := slices.Concat(s.step.Files, s.step.Context)
	for _, f := range slices.Concat(step.Files, step.Context) {
		if !slices.ContainsFunc(files, func(g inventory.File) bool { return g.Path == f.Path }) {
			files = append(files, f)
		}
	}
	s.step = step
	s.step.Files, s.step.Context = files, nil
	for _, l := range step.Logins {
		s.names[l.ID], s.owner[l.ID] = l.Names, append(s.owner[l.ID], unit)
		if l.Pipeline != nil {
			s.steps[l.ID], s.pipelines[fileOf(l.ID, step.Repository)] = true, true
			s.both[l.ID] = l.Pipeline.Both
			if l.Pipeline.Rename != nil {
				s.renames[l.ID] = *l.Pipeline.Rename
			}
		}
	}
}

// know takes the versions of the files, and what else is known of the repository, from the units that were planned last.
func (s *sources) know(p *plan.Plan, repo inventory.RepositoryName) {
	last, ok := p.RequestIn(repo)
	if !ok {
		return
	}
	oids := p.FilesOf(repo)
	last.Logins, last.Files, last.Context = s.step.Logins, slices.Clone(s.step.Files), nil
	for i, f := range last.Files {
		last.Files[i].OID = oids[f.Path]
	}
	s.step = last
}

// contents is a repository's files with some logins rewritten.
type contents struct {
	files map[string][]byte
	edits map[string][]workflow.Edit      // by file
	left  map[inventory.LoginID]leftLogin // asked for, but not rewritten
}

type leftLogin struct {
	reason string
	manual []string
}

// with gives the files with exactly these logins rewritten.
func (s *sources) with(logins map[inventory.LoginID]bool) (*contents, error) {
	out := &contents{files: maps.Clone(s.files), edits: map[string][]workflow.Edit{}, left: map[inventory.LoginID]leftLogin{}}
	now := map[inventory.LoginID]bool{}
	for l := range logins {
		if !s.steps[l] {
			now[s.current(l)] = true
		}
	}
	s.withSteps(out, logins)
	if len(now) == 0 {
		return out, s.check(out, logins)
	}
	rewriting := workflow.Rewrite(s.tree(), s.options(now))
	for _, l := range rewriting.Left {
		if id := s.planned(l.Login); logins[id] {
			out.left[id] = leftLogin{l.Reason, l.Manual}
		}
	}
	for _, f := range rewriting.Files {
		if f.Refused != "" {
			s.refuse(out, f, logins)
			continue
		}
		for i, e := range f.Edits {
			if e.Login != "" {
				f.Edits[i].Login = s.planned(e.Login)
			}
		}
		out.files[f.Path], out.edits[f.Path] = f.After, f.Edits
	}
	return out, s.check(out, logins)
}

func (s *sources) tree() workflow.Tree {
	t := workflow.Tree{Repository: s.step.Repository, DefaultBranch: s.step.Base, DefaultPermissions: s.step.Default}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		if s.pipelines[path] {
			continue
		}
		t.Files = append(t.Files, workflow.File{Path: path, Content: s.files[path]})
	}
	return t
}

func (s *sources) options(logins map[inventory.LoginID]bool) workflow.RewriteOptions {
	o := workflow.RewriteOptions{Only: logins, LoginVersion: s.cfg.LoginVersion, Level: workflow.LevelNeedsReview,
		Names: func(l inventory.Login) workflow.IdentityNames {
			return workflow.IdentityNames(s.names[s.planned(l.ID)])
		}}
	if s.cfg.Level == plan.LevelSafe {
		o.Level = workflow.LevelSafe
	}
	if s.step.Permissions == plan.PermissionsPreserve {
		o.Permissions = workflow.PermissionsPreserve
	}
	return o
}

// refuse notes that every login of a file stays as it is.
func (s *sources) refuse(out *contents, f workflow.FileRewrite, logins map[inventory.LoginID]bool) {
	for l := range logins {
		if fileOf(l, s.step.Repository) == f.Path {
			out.left[l] = leftLogin{reason: f.Path + " could not be rewritten: " + f.Refused}
		}
	}
}

// check makes sure that nothing but the asked-for logins was edited: the plan was reviewed, and it named them.
func (s *sources) check(out *contents, logins map[inventory.LoginID]bool) error {
	for path, edits := range out.edits {
		for _, e := range edits {
			if e.Login != "" && !logins[e.Login] {
				return fmt.Errorf("rewrite %s of %s: the rewrite would change login %s, which the plan does not name", path, s.step.Repository, e.Login)
			}
		}
	}
	return nil
}

// changed gives the paths whose bytes differ between two versions, sorted.
func changed(before, after *contents) []string {
	var out []string
	for path, content := range after.files {
		if !bytes.Equal(before.files[path], content) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// fileOf reads the path out of a login's id.
func fileOf(id inventory.LoginID, repo inventory.RepositoryName) string {
	s := string(id)
	if len(s) > len(repo) && s[:len(repo)] == string(repo) {
		s = s[len(repo)+1:]
	}
	for range 2 { // line and column
		for i := len(s) - 1; i >= 0; i-- {
			if s[i] == ':' {
				s = s[:i]
				break
			}
		}
	}
	return s
}

// blobOID is the id that git gives to a file's content.
func blobOID(content []byte) string { return inventory.BlobOID(content) }
