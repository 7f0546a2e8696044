package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// processYAML is the process of a definition whose steps are in a YAML file.
const processYAML = 2

// definition reads one build definition: its own part, and its YAML with the templates that it includes.
func (r *projectReader) definition(ctx context.Context, d pipeline.BuildDefinition) error {
	return r.part(ctx, r.definitionKey(d), versionOf(d), func(ctx context.Context, r *projectReader) error { return r.readDefinition(ctx, d) })
}

func (r *projectReader) definitionKey(d pipeline.BuildDefinition) string {
	return partKey("definition", r.o.source.ID, string(r.p.ID), strconv.Itoa(d.ID))
}

func (r *projectReader) readDefinition(ctx context.Context, d pipeline.BuildDefinition) error {
	f := found{source: inventory.UseClassic, name: d.Name, id: d.ID, vars: d.Variables}
	rec := inventory.Pipeline{Kind: inventory.UseClassic, ID: d.ID, Name: d.Name, Read: true}
	own := pipeline.UsesOfBuild(d, r.classic())
	r.terraform(ctx, d, &own, nil)
	rec.Connections = r.take(f, own)
	if d.Process.Type == processYAML {
		f.source, rec.Kind = inventory.UseYAML, inventory.UseYAML
		rec.Repository, rec.File = r.repositoryName(d), strings.TrimLeft(d.Process.YAMLFilename, "/")
		n, err := r.yaml(ctx, f, d)
		rec.Connections += n
		if err != nil {
			rec.Read = false
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.yamlGap(d, rec, err)
		}
	}
	r.record(rec)
	return ctx.Err()
}

// yamlGap tells that a pipeline's text could not be read; what many pipelines have in common is told once.
func (r *projectReader) yamlGap(d pipeline.BuildDefinition, rec inventory.Pipeline, err error) {
	r.unknown()
	key, object, next := "", "pipeline "+r.o.source.Name+"/"+r.p.Name+"/"+d.Name, "grant the signed-in identity Read on the repository, or look into the pipeline for uses of service connections"
	var missing *noReader
	if errors.As(err, &missing) {
		key = "no reader|" + strings.ToLower(rec.Repository)
		object, next = "pipelines in repository "+rec.Repository, missing.next
	}
	r.out.Gaps = append(r.out.Gaps, toldGap{Key: key, Gap: inventory.Gap{Source: inventory.SourceAzureDevOps, Object: object, File: rec.File, Message: err.Error(),
		Permission: r.lacking(d, err), Next: next}})
}

// lacking names the permission that reading a definition's repository takes, where that was refused.
func (r *projectReader) lacking(d pipeline.BuildDefinition, err error) string {
	if strings.EqualFold(d.Repository.Type, typeAzureRepos) {
		return lacking(err, permissions.DevOpsCodeRead)
	}
	return lacking(err, permissions.GitHubContents)
}

// noReader is the reason why nothing of a repository can be read.
type noReader struct{ message, next string }

func (e *noReader) Error() string { return e.message }

func (r *projectReader) yaml(ctx context.Context, f found, d pipeline.BuildDefinition) (int, error) {
	repository := r.repositoryName(d)
	read := func(name, path, ref string) ([]byte, error) {
		if strings.EqualFold(name, repository) {
			if ref == "" {
				ref = branchOf(d)
			}
			return r.file(ctx, d.Repository.Type, name, path, ref)
		}
		return r.foreign(ctx, name, path, ref)
	}
	content, err := read(repository, d.Process.YAMLFilename, "")
	if err != nil {
		return 0, err
	}
	file := pipeline.File{Repository: repository, Path: strings.TrimLeft(d.Process.YAMLFilename, "/"), Content: content}
	files := &readFiles{files: []pipeline.File{file}, read: read}
	result := pipeline.ScanWith(files.files, files.resolve, r.options(d.Variables))
	r.terraform(ctx, d, &result, files.files)
	if slices.ContainsFunc(result.Checks, func(c pipeline.Check) bool { return c.Severity == pipeline.Blocker && c.File != "" }) {
		f.rewrites = r.rewritable(d, files, pipeline.Rewritable(files.files, read, r.options(d.Variables)))
	}
	r.changeableNames(d, files, result.Uses)
	return r.take(f, result), nil
}

func branchOf(d pipeline.BuildDefinition) string {
	return strings.TrimPrefix(d.Repository.DefaultBranch, "refs/heads/")
}

// The types of repository whose files can be read here (BuildRepository.type of the REST API).
const (
	typeAzureRepos = "tfsgit"
	typeGitHub     = "github"
	typeGitHubGHES = "githubenterprise"
)

// repositoryName is Project/Name for Azure Repos and OWNER/NAME for GitHub.
func (r *projectReader) repositoryName(d pipeline.BuildDefinition) string {
	if !strings.EqualFold(d.Repository.Type, typeAzureRepos) {
		if strings.Contains(d.Repository.Name, "/") {
			return d.Repository.Name
		}
		return d.Repository.ID
	}
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	// A definition can build a repository of another project, which its id tells.
	if known, ok := r.o.repoIDs[strings.ToLower(d.Repository.ID)]; ok {
		return known.Project.Name + "/" + known.Name
	}
	return r.p.Name + "/" + d.Repository.Name
}

// foreign reads a file of a repository that a pipeline names as a resource. Its type is not told, so what is known in Azure Repos is there, and else
// it is GitHub's.
func (r *projectReader) foreign(ctx context.Context, name, path, ref string) ([]byte, error) {
	full := name
	if !strings.Contains(name, "/") {
		full = r.p.Name + "/" + name
	}
	if _, ok := r.o.repository(full); ok {
		return r.file(ctx, typeAzureRepos, full, path, ref)
	}
	if strings.Contains(name, "/") {
		return r.file(ctx, typeGitHub, name, path, ref)
	}
	return nil, fmt.Errorf("no repository %s is visible in project %s", name, r.p.Name)
}

// file reads a file for the definition that is being read, and notes at which version.
func (r *projectReader) file(ctx context.Context, typ, repository, path, ref string) ([]byte, error) {
	content, err := r.o.file(ctx, typ, repository, path, ref)
	v := fileVersion{Type: typ, Repository: repository, Path: strings.TrimLeft(path, "/"), Ref: ref}
	if err != nil {
		r.out.failed = true
		if Passing(err) {
			r.o.s.o.Parts.miss()
		}
		return nil, err
	}
	if !strings.EqualFold(typ, typeAzureRepos) {
		v.OID = inventory.BlobOID(content)
	}
	r.out.Files = append(r.out.Files, v)
	return content, nil
}

func (o *organization) repository(fullName string) (DevOpsRepository, bool) {
	o.part.list(fullName)
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.repos[strings.ToLower(fullName)]
	return r, ok
}

func fileKey(typ, repository, path, ref string) string {
	return strings.ToLower(typ+"|"+repository) + "|" + strings.TrimLeft(path, "/") + "|" + ref
}

// file reads a file of a repository, from memory where it was read a short while ago.
func (o *organization) file(ctx context.Context, typ, repository, path, ref string) ([]byte, error) {
	return o.files.get(fileKey(typ, repository, path, ref), func() ([]byte, error) {
		switch strings.ToLower(typ) {
		case typeAzureRepos:
			known, ok := o.repository(repository)
			if !ok {
				return nil, &noReader{fmt.Sprintf("repository %s is not visible in Azure Repos", repository), "grant the signed-in identity Read on the repository, then scan again"}
			}
			return o.org.File(ctx, known, path, ref)
		case typeGitHub, typeGitHubGHES:
			return o.s.gitHubFile(ctx, inventory.RepositoryName(repository), path, ref)
		}
		return nil, &noReader{fmt.Sprintf("the repository is of type %s, which this program does not read", typ), "look into its pipelines for uses of service connections"}
	})
}

// gitHubFile reads a file through the first GitHub client that has it.
func (s *scanner) gitHubFile(ctx context.Context, repository inventory.RepositoryName, path, ref string) ([]byte, error) {
	if len(s.gitHubFiles) == 0 {
		return nil, &noReader{fmt.Sprintf("repository %s is on GitHub, and the scan was given no GitHub to read", repository), "name the repository's owner with --github too, then scan again"}
	}
	var failed []error
	for _, files := range s.gitHubFiles {
		oid, err := files.FileOID(ctx, repository, ref, strings.TrimLeft(path, "/"))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		content, err := files.Blob(ctx, repository, oid)
		if err == nil {
			return content, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// fileCacheSize bounds the bytes of files that are kept, for templates that many pipelines include.
const fileCacheSize = 16 << 20

// fileCache keeps files that were read a short while ago, and has a file that several ask for at the same time read once. When it is full it starts
// anew, which is cheap enough and never unbounded.
type fileCache struct {
	mu    sync.Mutex
	files map[string]*cachedFile
	size  int
}

type cachedFile struct {
	once    sync.Once
	content []byte
	err     error
}

// entry gives the entry of a key, which may be new.
func (c *fileCache) entry(key string) *cachedFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[key]
	if f == nil {
		if c.files == nil || c.size > fileCacheSize {
			c.files, c.size = map[string]*cachedFile{}, 0
		}
		f = &cachedFile{}
		c.files[key] = f
		c.size += len(key) + 96
	}
	return f
}

func (c *fileCache) get(key string, read func() ([]byte, error)) ([]byte, error) {
	f := c.entry(key)
	f.once.Do(func() {
		f.content, f.err = read()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.size += len(f.content)
		if errors.Is(f.err, context.Canceled) && c.files[key] == f {
			delete(c.files, key)
		}
	})
	return f.content, f.err
}

// put keeps a file that was read otherwise.
func (c *fileCache) put(key string, content []byte) {
	f := c.entry(key)
	f.once.Do(func() {
		f.content = content
		c.mu.Lock()
		defer c.mu.Unlock()
		c.size += len(content)
	})
}
