package simulate

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// GitHub's limits on called workflows (github/docs, "Reusing workflow configurations", since November 2025).
const (
	maxCallDepth = 10
	maxCalls     = 50
)

// file is a workflow file as a run uses it: the root file or a called one.
type file struct {
	wf     *workflow
	full   string // the repository that holds it
	owner  string
	commit string
	gitRef string // refs/heads/main, refs/tags/v1 or a commit
	ref    string // job_workflow_ref
}

func (r *run) rootFile() *file {
	return &file{wf: r.wf, full: r.p.full, owner: r.p.owner, commit: r.at.commit, gitRef: r.at.ref, ref: r.p.full + "/" + r.wf.path + "@" + r.at.ref}
}

var remoteCall = lazy.Regexp(`^([\w.-]+)/([\w.-]+)/(\.github/workflows/[^/@]+\.ya?ml)@(.+)$`)

// called finds the file that a job's uses names: ./.github/workflows/x.yml at the caller's commit, or
// owner/repo/.github/workflows/x.yml@ref.
func (s *Simulator) called(from *file, uses string) (*file, error) {
	if local, ok := strings.CutPrefix(uses, "./"); ok {
		return s.fileAt(from.full, local, from.commit, from.gitRef)
	}
	m := remoteCall().FindStringSubmatch(uses)
	if m == nil {
		return nil, fmt.Errorf("invalid value workflow reference: %s", uses)
	}
	p, err := s.find(m[1] + "/" + m[2])
	if err != nil || p.visibility != "public" && !strings.EqualFold(p.owner, from.owner) {
		return nil, notFound
	}
	for _, ref := range []string{"refs/tags/" + m[4], "refs/heads/" + m[4], m[4]} {
		if oid, ok := p.refs[ref]; ok {
			return s.fileAt(p.full, m[3], oid, ref)
		}
	}
	return s.fileAt(p.full, m[3], m[4], m[4])
}

var notFound = says("workflow was not found. See https://docs.github.com/actions/learn-github-actions/reusing-workflows#access-to-reusable-workflows for more information.")

func (s *Simulator) fileAt(full, path, commit, gitRef string) (*file, error) {
	oid := s.files(full, commit)[path]
	if oid == "" || !isWorkflowPath(path) {
		return nil, notFound
	}
	owner, _, _ := strings.Cut(full, "/")
	return &file{
		wf: s.workflow(full, path, oid), full: full, owner: owner, commit: commit, gitRef: gitRef,
		ref: full + "/" + path + "@" + gitRef,
	}, nil
}

// callCheck validates every called workflow before anything runs, as GitHub does: an if or needs does not save a
// job from it (actions/runner#4151).
type callCheck struct {
	s       *Simulator
	root    *file
	setting string
	calls   int
}

// check walks the calls of a file; explicit is the permissions that a file on the way here has stated, or nil.
func (c *callCheck) check(f *file, explicit permissions, depth int) error {
	for _, j := range f.wf.jobs {
		if j.uses == "" {
			continue
		}
		perms := explicit
		if j.permissions != nil {
			perms = j.permissions
		}
		if err := c.call(f, j, perms, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *callCheck) call(f *file, j *job, explicit permissions, depth int) error {
	fail := func(msg string, args ...any) error { return f.wf.fail(j.line, j.col, msg, args...) }
	if c.calls++; c.calls > maxCalls {
		return fail("The total number of called workflows is more than the limit of %d.", maxCalls)
	}
	if depth > maxCallDepth {
		return fail("error parsing called workflow %q: job %q calls workflow %q, but doing so would exceed the limit on called workflow depth of %d", j.uses, j.id, j.uses, maxCallDepth)
	}
	callee, err := c.s.called(f, j.uses)
	if err != nil {
		return fail("error parsing called workflow %q: %s", j.uses, err)
	}
	for _, bad := range []error{callee.wf.broken, callee.wf.invalid} {
		if bad != nil {
			return fail("error parsing called workflow %q: %s", j.uses, bad)
		}
	}
	if err := checkSignature(f, j, callee); err != nil {
		return err
	}
	rootPerms, err := c.ceiling(f, j, callee, explicit)
	if err != nil {
		return err
	}
	return c.check(callee, rootPerms, depth)
}

// ceiling refuses a callee that asks for more than its caller may give. It gives what the callee's own jobs start
// from (actions/runner WorkflowTemplateConverter.ConvertToReferencedWorkflow).
func (c *callCheck) ceiling(f *file, j *job, callee *file, explicit permissions) (permissions, error) {
	max := explicit
	if max == nil {
		max = ceiling(c.setting, strings.EqualFold(callee.owner, c.root.owner))
	}
	name := callee.full + "/" + callee.wf.path + "@" + callee.commit
	if requested, allowed := callee.wf.permissions.exceeding(max); requested != "" {
		return nil, f.wf.fail(j.line, j.col, "Error calling workflow '%s'. The workflow is requesting '%s', but is only allowed '%s'.", name, requested, allowed)
	}
	for _, nested := range callee.wf.jobs {
		if requested, allowed := nested.permissions.exceeding(max); requested != "" {
			return nil, f.wf.fail(j.line, j.col, "Error calling workflow '%s'. The nested job '%s' is requesting '%s', but is only allowed '%s'.", name, nested.id, requested, allowed)
		}
	}
	if callee.wf.permissions != nil {
		return callee.wf.permissions, nil
	}
	return explicit, nil
}

// checkSignature compares what is passed with what on.workflow_call declares.
func checkSignature(f *file, j *job, callee *file) error {
	t := callee.wf.trigger("workflow_call")
	if t == nil {
		return f.wf.fail(j.line, j.col, "workflow_call key is not defined in the referenced workflow.")
	}
	if err := compareNames(f, j, "input", j.with, t.conf.get("inputs")); err != nil {
		return err
	}
	if j.secrets.str() == "inherit" {
		return nil
	}
	return compareNames(f, j, "secret", j.secrets, t.conf.get("secrets"))
}

func compareNames(f *file, j *job, what string, given, declared *node) error {
	if !given.isNull() {
		for _, p := range given.pairs {
			if declared.get(p.key) == nil {
				return f.wf.fail(p.line, p.col, "Invalid %s, %s is not defined in the referenced workflow.", what, p.key)
			}
		}
	}
	if declared.isNull() {
		return nil
	}
	for _, p := range declared.pairs {
		if p.value.get("required").str() == "true" && given.get(p.key) == nil {
			return f.wf.fail(j.line, j.col, "%s %s is required, but not provided while calling.", strings.ToUpper(what[:1])+what[1:], p.key)
		}
	}
	return nil
}
