package identify

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Host is what a probe changes on GitHub and reads back. Errors are told apart by the sentinels of package execute.
type Host interface {
	// OpenBranch makes a branch whose one commit has no parent and holds these files alone. ErrConflict: it exists.
	OpenBranch(ctx context.Context, repo inventory.RepositoryName, branch, title string, files []execute.FileChange) error
	// DeleteBranch deletes it. ErrNotFound: it is not there.
	DeleteBranch(ctx context.Context, repo inventory.RepositoryName, branch string) error
	// BranchRuns lists the runs on a branch in any state, also when the branch is gone.
	BranchRuns(ctx context.Context, repo inventory.RepositoryName, branch string) ([]ProbeRun, error)
	// JobNotes gives what each job of a run has left as annotations.
	JobNotes(ctx context.Context, repo inventory.RepositoryName, run int64) ([]JobNotes, error)
	// CancelRun asks for a run to end.
	CancelRun(ctx context.Context, repo inventory.RepositoryName, run int64) error
	// DeleteRun deletes a run that has ended, with its logs. ErrNotFound: it is not there.
	DeleteRun(ctx context.Context, repo inventory.RepositoryName, run int64) error
}

// ProbeRun is one run of a probe's workflow.
type ProbeRun struct {
	ID         int64
	Completed  bool
	Waiting    bool // for somebody's approval
	Conclusion string
}

// JobNotes is a job of a run with its annotations.
type JobNotes struct {
	Job, Conclusion string
	Notes           []Note
}

// Note is an annotation that a job left.
type Note struct{ Level, Title, Message string }

// Journal is where a probe writes what it is about to do, so that what a killed one leaves behind is found.
type Journal interface {
	Append(execute.Record) (execute.Record, error)
	Records() []execute.Record
}

// Prober opens probes and clears them away.
type Prober struct {
	Host    Host
	Journal Journal
	Actor   string
	Random  io.Reader
	Now     func() time.Time
	Wait    func(ctx context.Context, d time.Duration) error
	Timeout time.Duration // for a run to end; default 10 minutes
	RunsOn  string        // the runner's label; default ubuntu-latest
	Say     func(format string, args ...any)
}

const (
	poll         = 3 * time.Second
	parallel     = 4  // repositories that are probed at a time
	jobsOfRun    = 50 // secrets that one run looks into
	cleanUpTime  = 2 * time.Minute
	probeUnit    = "probe:"
	probeStep    = "identify/"
	fieldBranch  = "branch"
	fieldSecrets = "secrets"
)

// Probe runs one workflow in each repository of the targets, and gives what it found by the key of each store. What goes wrong in one
// repository is in its proofs' problems. The error says what could not be cleared away, or that the journal cannot be written.
func (p *Prober) Probe(ctx context.Context, targets []Target, apps []inventory.AppID) (map[string]Proof, error) {
	byRepo := map[inventory.RepositoryName][]Target{}
	for _, t := range targets {
		byRepo[t.Repository] = append(byRepo[t.Repository], t)
	}
	proofs := map[string]Proof{}
	var mu sync.Mutex
	var failed []error
	var group errgroup.Group
	group.SetLimit(parallel)
	for repo, all := range byRepo {
		for list := range slices.Chunk(all, jobsOfRun) {
			group.Go(func() error {
				defer crash.Report()
				found, err := p.repository(ctx, repo, list, apps)
				mu.Lock()
				defer mu.Unlock()
				for i, f := range found {
					proofs[list[i].Store.Key()] = f
				}
				if err != nil {
					failed = append(failed, err)
				}
				return nil
			})
		}
	}
	_ = group.Wait() // what failed is in failed, so that one does not stop the others
	slices.SortFunc(failed, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return proofs, errors.Join(failed...)
}

// repository probes the secrets of one repository. Whatever happens in between, its branch and run are removed.
func (p *Prober) repository(ctx context.Context, repo inventory.RepositoryName, targets []Target, apps []inventory.AppID) ([]Proof, error) {
	found := make([]Proof, len(targets))
	for i := range found {
		found[i] = Proof{Compared: len(apps), Time: p.Now().UTC().Truncate(time.Second)}
	}
	give := func(err error) []Proof {
		for i := range found {
			found[i].Problem = err.Error()
		}
		return found
	}
	if err := ctx.Err(); err != nil {
		return give(err), nil
	}
	id, salt, err := p.random()
	if err != nil {
		return give(err), nil
	}
	open := openProbe{repo, probeBranch(id)}
	if _, err := p.Journal.Append(open.record(execute.PhaseIntent, p.Actor, execute.State{fieldSecrets: namesOf(targets)}, "a probe: a branch with a workflow that prints salted digests of client ids")); err != nil {
		return give(err), err
	}
	file := execute.FileChange{Path: probeFile, Content: probeWorkflow(id, salt, cmp.Or(p.RunsOn, "ubuntu-latest"), targets)}
	err = p.Host.OpenBranch(ctx, repo, open.branch, "Probe which applications are behind this repository's secrets", []execute.FileChange{file})
	if refused(err) {
		_, recorded := p.Journal.Append(open.record(execute.PhaseUndone, p.Actor, nil, "refused; nothing was made"))
		return give(err), recorded
	}
	if err == nil {
		p.Say("%s: branch %s is open; waiting for its run", repo, open.branch)
		err = p.read(ctx, open, targets, salt, apps, found)
	}
	if err != nil {
		give(err)
	}
	if err := p.clear(ctx, open); err != nil {
		return found, err
	}
	return found, nil
}

// refused tells errors after which there is no branch of this probe's for certain.
func refused(err error) bool {
	return slices.ContainsFunc([]error{execute.ErrForbidden, execute.ErrNotFound, execute.ErrPolicy, execute.ErrRefused, execute.ErrConflict},
		func(sentinel error) bool { return errors.Is(err, sentinel) })
}

func namesOf(targets []Target) string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Store.Path()
	}
	return strings.Join(names, ", ")
}

// random makes the name of a probe and the salt of its digests.
func (p *Prober) random() (id, salt string, err error) {
	var b [24]byte
	if _, err := io.ReadFull(p.Random, b[:]); err != nil {
		return "", "", fmt.Errorf("make a salt: %w", err)
	}
	return hex.EncodeToString(b[:8]), hex.EncodeToString(b[8:]), nil
}

// read waits for the run to end and reads what its jobs say.
func (p *Prober) read(ctx context.Context, open openProbe, targets []Target, salt string, apps []inventory.AppID, found []Proof) error {
	run, err := p.await(ctx, open, cmp.Or(p.Timeout, 10*time.Minute))
	if err != nil {
		return err
	}
	jobs, err := p.Host.JobNotes(ctx, open.repository, run.ID)
	if err != nil {
		return fmt.Errorf("read the probe's answers: %w", err)
	}
	for i := range targets {
		j := slices.IndexFunc(jobs, func(j JobNotes) bool { return j.Job == jobName(i) })
		if j < 0 {
			found[i].Problem = "the probe's run has no job for it; it ended with " + cmp.Or(run.Conclusion, "nothing")
			continue
		}
		found[i].AppID, found[i].Problem = jobs[j].answer(salt, apps)
	}
	return nil
}

func (j JobNotes) answer(salt string, apps []inventory.AppID) (inventory.AppID, string) {
	for _, n := range j.Notes {
		if n.Title == noticeTitle {
			return answer(salt, n.Message, apps)
		}
	}
	problem := "the probe's job ended with " + cmp.Or(j.Conclusion, "nothing") + " and gave no answer"
	for _, n := range j.Notes {
		if n.Level == "failure" {
			return "", problem + ": " + n.Message
		}
	}
	return "", problem
}

// await waits until the run of a branch has ended.
func (p *Prober) await(ctx context.Context, open openProbe, timeout time.Duration) (ProbeRun, error) {
	var last ProbeRun
	for waited := time.Duration(0); ; waited += poll {
		runs, err := p.Host.BranchRuns(ctx, open.repository, open.branch)
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err != nil:
			return last, fmt.Errorf("look for the probe's run: %w", err)
		case len(runs) > 0 && runs[0].Completed:
			return runs[0], nil
		case len(runs) > 0:
			last = runs[0]
		}
		if waited >= timeout {
			return last, timedOut(last, timeout)
		}
		if err := p.Wait(ctx, poll); err != nil {
			return last, err
		}
	}
}

func timedOut(last ProbeRun, timeout time.Duration) error {
	switch {
	case last.ID == 0:
		return fmt.Errorf("no run of the probe began within %s: are Actions switched on in the repository, and may they run this workflow?", timeout)
	case last.Waiting:
		return fmt.Errorf("the probe's run waited for an approval for more than %s: its environment has required reviewers; probe again and approve it meanwhile, or write the mapping by hand", timeout)
	}
	return fmt.Errorf("the probe's run did not end within %s: is there a runner for it? --runs-on names another", timeout)
}
