package identify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// openProbe is a probe that is not known to be cleared away.
type openProbe struct {
	repository inventory.RepositoryName
	branch     string
}

func (o openProbe) record(phase execute.Phase, actor string, state execute.State, note string) execute.Record {
	after := execute.State{fieldBranch: o.branch}
	for k, v := range state {
		after[k] = v
	}
	return execute.Record{Unit: probeUnit + string(o.repository), Step: probeStep + o.branch, Phase: phase, After: after, Actor: actor, Note: note}
}

// openProbes are the probes of a journal that were begun and not cleared away: those of a process that was killed.
func openProbes(records []execute.Record) []openProbe {
	var out []openProbe
	closed := map[openProbe]bool{}
	for _, r := range records {
		repo, ok := strings.CutPrefix(r.Unit, probeUnit)
		branch, isStep := strings.CutPrefix(r.Step, probeStep)
		if !ok || !isStep || !strings.HasPrefix(branch, probePrefix) {
			continue
		}
		o := openProbe{inventory.RepositoryName(repo), branch}
		switch r.Phase {
		case execute.PhaseIntent:
			out = appendNew(out, o)
		case execute.PhaseUndone:
			closed[o] = true
		}
	}
	kept := out[:0]
	for _, o := range out {
		if !closed[o] {
			kept = append(kept, o)
		}
	}
	return kept
}

// Leftovers are the probes of a journal that are not cleared away, each a branch and its repository, for a reader.
func Leftovers(records []execute.Record) []string {
	var out []string
	for _, o := range openProbes(records) {
		out = append(out, "branch "+o.branch+" of "+string(o.repository))
	}
	return out
}

// Clean clears away what killed probes have left behind, and gives how many that were.
func (p *Prober) Clean(ctx context.Context) (int, error) {
	var failed []error
	n := 0
	for _, o := range openProbes(p.Journal.Records()) {
		if err := p.clear(ctx, o); err != nil {
			failed = append(failed, err)
			continue
		}
		n++
	}
	return n, errors.Join(failed...)
}

// clear removes a probe's branch and runs. An interruption does not keep it from doing so: the context's end counts no more, and
// a time of its own bounds it.
func (p *Prober) clear(ctx context.Context, o openProbe) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	err := p.Host.DeleteBranch(ctx, o.repository, o.branch)
	if errors.Is(err, execute.ErrNotFound) {
		err = nil
	}
	err = errors.Join(err, p.clearRuns(ctx, o))
	if err != nil {
		return fmt.Errorf("clear away the probe on branch %s of %s: %w; unsecret identify --clean tries again", o.branch, o.repository, err)
	}
	_, err = p.Journal.Append(o.record(execute.PhaseUndone, p.Actor, nil, "branch and run removed"))
	return err
}

// lookAgain is how often a run is looked for that may come late, since it begins a moment after its branch.
const lookAgain = 3

// clearRuns ends the runs of a branch and deletes them.
func (p *Prober) clearRuns(ctx context.Context, o openProbe) error {
	seen := false
	for n := 0; ; n++ {
		runs, err := p.Host.BranchRuns(ctx, o.repository, o.branch)
		switch {
		case err != nil:
			return fmt.Errorf("look for the probe's runs: %w", err)
		case len(runs) == 0 && (seen || n >= lookAgain):
			return nil
		}
		ended := len(runs) > 0
		for _, r := range runs {
			seen, ended = true, ended && r.Completed
			if err := p.clearRun(ctx, o, r); err != nil {
				return err
			}
		}
		if ended {
			continue
		}
		if err := p.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// clearRun deletes a run, or asks it to end so that it can be deleted when it has.
func (p *Prober) clearRun(ctx context.Context, o openProbe, r ProbeRun) error {
	clear := p.Host.DeleteRun
	if !r.Completed {
		clear = p.Host.CancelRun
	}
	err := clear(ctx, o.repository, r.ID)
	if errors.Is(err, execute.ErrNotFound) || errors.Is(err, execute.ErrConflict) {
		return nil // gone, or ending: the next look tells
	}
	return err
}
