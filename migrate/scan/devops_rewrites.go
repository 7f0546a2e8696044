package scan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// readFiles are the files that one pipeline is made of, as far as they were read at the branch that a change would be merged to.
type readFiles struct {
	files []pipeline.File
	read  pipeline.Resolver
	noted map[string]bool // those that a pull request can change, by repository and path
}

// resolve reads a file and keeps it, unless a version of its own was asked for.
func (f *readFiles) resolve(repository, path, ref string) ([]byte, error) {
	content, err := f.read(repository, path, ref)
	if err == nil && ref == "" {
		f.files = append(f.files, pipeline.File{Repository: repository, Path: path, Content: content})
	}
	return content, err
}

// fullName is a repository's name as the inventory has it: a pipeline can leave its own project out.
func (r *projectReader) fullName(name string) string {
	if name == "" || strings.Contains(name, "/") {
		return name
	}
	return r.p.Name + "/" + name
}

// rewritable keeps the steps whose files stand on a repository's default branch, and notes those files: only there a pull request changes what runs.
func (r *projectReader) rewritable(d pipeline.BuildDefinition, files *readFiles, steps []pipeline.StepRewrite) []pipeline.StepRewrite {
	return slices.DeleteFunc(steps, func(s pipeline.StepRewrite) bool { return !r.changeable(d, files, s.Repository, s.File) })
}

// changeable tells whether a file stands on a repository's default branch, and notes it if it does.
func (r *projectReader) changeable(d pipeline.BuildDefinition, files *readFiles, repository, path string) bool {
	repo, ok := r.pipelineRepository(d, repository)
	i := slices.IndexFunc(files.files, func(f pipeline.File) bool { return f.Repository == repository && f.Path == path })
	if !ok || i < 0 {
		return false
	}
	content := files.files[i].Content
	if files.noted[repository+"|"+path] {
		return true
	}
	repo.Files = []inventory.File{{Path: path, OID: inventory.BlobOID(content), Size: len(content)}}
	r.out.Rewrites = append(r.out.Rewrites, repo)
	if files.noted == nil {
		files.noted = map[string]bool{}
	}
	files.noted[repository+"|"+path] = true
	return true
}

// changeableNames keeps the places of names that a pull request can change.
func (r *projectReader) changeableNames(d pipeline.BuildDefinition, files *readFiles, uses []pipeline.Use) {
	for _, u := range uses {
		for i, t := range u.Texts {
			if t.File != "" && !r.changeable(d, files, t.Repository, t.File) {
				u.Texts[i] = pipeline.NameText{Name: t.Name}
			}
		}
	}
}

// pipelineRepository tells where a file of a pipeline is to be changed. The branch that a definition builds by default must be the repository's own
// default: pull requests of this program go there.
func (r *projectReader) pipelineRepository(d pipeline.BuildDefinition, name string) (inventory.PipelineRepository, bool) {
	full := r.fullName(name)
	own := strings.EqualFold(full, r.repositoryName(d))
	branch := ""
	if own {
		branch = strings.TrimPrefix(d.Repository.DefaultBranch, "refs/heads/")
	}
	out := inventory.PipelineRepository{Organization: r.o.source.Name, Place: full}
	if known, ok := r.o.repository(full); ok && (!own || strings.EqualFold(d.Repository.Type, typeAzureRepos)) {
		out.Name, out.ID, out.DefaultBranch = inventory.AzureReposName(r.o.source.Name, known.Project.Name, known.Name), known.ID, known.DefaultBranch
		return out, branch == "" || branch == known.DefaultBranch
	}
	if own && !strings.EqualFold(d.Repository.Type, typeGitHub) && !strings.EqualFold(d.Repository.Type, typeGitHubGHES) {
		return out, false
	}
	out.Name, out.DefaultBranch = inventory.RepositoryName(full), branch
	return out, strings.Contains(full, "/")
}

// pipelineRepositories puts together what was noted. A file that was read in two versions, or at two branches, is left out: something changed
// while the scan ran.
func (o *organization) pipelineRepositories() []inventory.PipelineRepository {
	byName := map[inventory.RepositoryName]*inventory.PipelineRepository{}
	mixed := map[string]bool{}
	for _, r := range o.rewrites {
		have := byName[r.Name]
		if have == nil {
			r.Files = slices.Clone(r.Files)
			byName[r.Name] = &r
			continue
		}
		have.DefaultBranch = cmp.Or(have.DefaultBranch, r.DefaultBranch)
		for _, f := range r.Files {
			i := slices.IndexFunc(have.Files, func(g inventory.File) bool { return g.Path == f.Path })
			if i < 0 {
				have.Files = append(have.Files, f)
			}
			if i >= 0 && have.Files[i].OID != f.OID || r.DefaultBranch != "" && r.DefaultBranch != have.DefaultBranch {
				mixed[string(r.Name)+"|"+f.Path] = true
			}
		}
	}
	out := make([]inventory.PipelineRepository, 0, len(byName))
	for _, r := range byName {
		r.Files = slices.DeleteFunc(r.Files, func(f inventory.File) bool { return mixed[string(r.Name)+"|"+f.Path] })
		slices.SortFunc(r.Files, func(a, b inventory.File) int { return strings.Compare(a.Path, b.Path) })
		out = append(out, *r)
	}
	return out
}
