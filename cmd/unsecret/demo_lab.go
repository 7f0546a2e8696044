package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// tally counts how pipelines signed in.
type tally struct {
	secret, federated int
	failed            []lab.Outcome
}

func (t tally) total() int { return t.secret + t.federated + len(t.failed) }

// verdict says in a few words whether everything signs in.
func (t tally) verdict() string {
	if len(t.failed) == 0 {
		return "Every pipeline signs in"
	}
	f := t.failed[0]
	return fmt.Sprintf("%d of %d sign-ins fail, such as %s: %s", len(t.failed), t.total(), f.Place(), f.Error)
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// runAll lets everything happen that can happen in the lab.
func (d *demo) runAll() (tally, error) {
	outcomes, err := d.lab.TriggerAll()
	if err != nil {
		return tally{}, err
	}
	t := tally{}
	for _, o := range outcomes {
		switch {
		case !o.OK:
			t.failed = append(t.failed, o)
		case o.Kind == "federated":
			t.federated++
		default:
			t.secret++
		}
	}
	return t, nil
}

// connectLab connects with the lab's own tokens: no environment is asked.
func (d *demo) connectLab(ctx context.Context, c *config, readOnly bool) (*connection, error) {
	role := world.RoleOperator
	if readOnly {
		role = world.RoleReader
	}
	return d.connectWith(ctx, c, readOnly, labEnvironment(role))
}

// run opens the executor as the commands do, and lets it work.
func (d *demo) run(ctx context.Context, command string, work func(*execute.Executor) (execute.Result, error)) (execute.Result, error) {
	conn, err := d.connectLab(ctx, d.config, false)
	if err != nil {
		return execute.Result{}, err
	}
	e, done, err := d.openExecutor(d.plan, conn.outside, command, conn.Close)
	if err != nil {
		return execute.Result{}, err
	}
	defer done()
	e.Patience.FirstDelay = 20 * time.Millisecond // the lab needs no more
	return work(e)
}

// outcome tells in one line each what happened to the units, failures with their reason.
func (d *demo) outcome(r execute.Result) {
	d.note("%s", resultSummary(r))
	for _, u := range r.Units {
		if u.State == execute.UnitFailed {
			bullet(d.std.out, "   ✗ ", u.Title+": "+u.Reason)
		}
	}
}

// openPulls describes the open pull requests.
func openPulls(w *world.World) []string {
	w.Lock()
	defer w.Unlock()
	var out []string
	for _, r := range w.GitHub.Repos {
		for _, p := range r.Pulls {
			if p.State == "open" {
				_, _, files := r.Changes(p)
				out = append(out, fmt.Sprintf("%s#%d %s (%s)", r.FullName(), p.Number, p.Title, plural(files, "file")))
			}
		}
	}
	slices.Sort(out)
	return out
}

// oldSecret is a client secret that worked before the migration.
type oldSecret struct{ tenant, appID, value string }

// oldSecrets remembers every password that works. Only the lab, which made them, can know their values.
func oldSecrets(w *world.World) []oldSecret {
	w.Lock()
	defer w.Unlock()
	var out []oldSecret
	for _, t := range w.Tenants {
		for _, app := range t.Apps {
			for _, p := range app.Passwords {
				if p.End.After(w.Clock.Now()) {
					out = append(out, oldSecret{t.ID, app.AppID, p.Value})
				}
			}
		}
	}
	return out
}

// tryOld presents every old secret to the lab's token endpoint.
func (d *demo) tryOld() (dead, alive int) {
	for _, s := range d.old {
		status, body := d.lab.Login.Exchange(s.tenant, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {s.appID}, "client_secret": {s.value}, "scope": {"https://management.azure.com/.default"},
		})
		switch {
		case status == 200:
			alive++
		case strings.Contains(fmt.Sprint(body["error_description"]), "AADSTS7000215"):
			dead++
		}
	}
	return dead, alive
}
