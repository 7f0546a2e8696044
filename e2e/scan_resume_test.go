package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// cutter lets so many requests through. Then it interrupts the scan, or the network is lost.
type cutter struct {
	left      atomic.Int64
	sent      atomic.Int64
	interrupt context.CancelFunc // nil: the network is lost
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.left.Add(-1) < 0 {
		if c.interrupt != nil {
			c.interrupt()
		}
		return nil, errors.New("the network is unreachable")
	}
	c.sent.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

// keptScan is one scan that keeps what it has read.
type keptScan struct {
	inv      *inventory.Inventory
	err      error
	requests int
	kept     bool // for another scan
	taken    int
	changed  int
}

const endless = 1 << 40

// scanKeeping scans everything with a file of parts, for so many requests.
func (j *journey) scanKeeping(file string, requests int64, lose bool) keptScan {
	j.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cut := &cutter{interrupt: stop}
	if lose {
		cut.interrupt = nil
	}
	cut.left.Store(requests)
	set := j.connectAs(world.RoleReader, transport.Options{ReadOnly: true, Base: cut, Attempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }})
	parts, err := scan.OpenParts(file, scan.PartsOptions{Scope: "everything", Now: set.Transport.Now})
	if err != nil {
		j.t.Fatal(err)
	}
	s := keptScan{}
	s.inv, s.err = scan.Run(ctx, j.sources(set), scan.Options{Now: set.Transport.Now, AllApplications: true, Parts: parts})
	s.taken, s.changed = parts.Used()
	if s.err != nil {
		err = parts.Close()
	} else {
		s.kept, err = parts.Finish()
	}
	if err != nil {
		j.t.Fatal(err)
	}
	s.requests = int(cut.sent.Load())
	return s
}

// sources are all organisations, owners and the tenant of the lab.
func (j *journey) sources(set *providers.Set) scan.Sources {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	var orgs, owners []string
	for _, o := range w.DevOps {
		orgs = append(orgs, o.Name)
	}
	for _, a := range w.GitHub.Accounts {
		owners = append(owners, a.Login)
	}
	slices.Sort(orgs)
	slices.Sort(owners)
	return scan.Sources{AzureDevOps: set.DevOpsSources(orgs), Entra: set.Entra, Azure: set.Azure, GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: owners}}}
}

// timeless is an inventory as JSON, without the times at which it was read.
func timeless(t *testing.T, inv *inventory.Inventory) string {
	t.Helper()
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	var copied inventory.Inventory
	if err := json.Unmarshal(text, &copied); err != nil {
		t.Fatal(err)
	}
	copied.ScannedAt = time.Time{}
	for i := range copied.Identities {
		copied.Identities[i].SignIns.Since = time.Time{}
	}
	if text, err = json.MarshalIndent(copied, "", " "); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// resumable are organisations in which everything occurs that a scan keeps.
func resumable(t *testing.T) map[string]func() *journey {
	t.Helper()
	return map[string]func() *journey{
		"pipelines": func() *journey {
			w, mapping, err := lab.LoadSeedMapping(lab.Pipelines)
			if err != nil {
				t.Fatal(err)
			}
			return startJourney(t, w, mapping)
		},
		"generated": func() *journey {
			return generatedJourney(t, lab.Size{Seed: 9, Repositories: 6, Connections: 12, Projects: 3, Pipelines: 30})
		},
	}
}

// A scan that was interrupted at any request, and is started again, finds what one that was not interrupted finds, and asks little twice.
func TestAnInterruptedScanIsContinued(t *testing.T) {
	for name, start := range resumable(t) {
		t.Run(name, func(t *testing.T) {
			j := start()
			dir := t.TempDir()
			whole := j.scanKeeping(filepath.Join(dir, "whole"), endless, false)
			want := timeless(t, whole.inv)
			least := j.leastRequests(dir)
			t.Logf("%d requests; a continued scan makes at least %d", whole.requests, least)
			step := whole.requests/40 + 1
			if testing.Short() {
				step = whole.requests/8 + 1
			}
			for k := 1; k < whole.requests; k += step {
				file := filepath.Join(dir, fmt.Sprint(k))
				first := j.scanKeeping(file, int64(k), false)
				if first.err == nil { // the first scan of the process asked for routes, too
					break
				}
				if !errors.Is(first.err, context.Canceled) {
					t.Fatalf("interrupted at request %d: %v", k, first.err)
				}
				noCanary(t, file)
				second := j.scanKeeping(file, endless, false)
				if second.err != nil {
					t.Fatal(second.err)
				}
				if got := timeless(t, second.inv); got != want {
					t.Fatalf("interrupted at request %d (-whole +continued):\n%s", k, gocmp.Diff(want, got))
				}
				// What was under way, at eight places at a time, is asked again, and so are lists that tell what has changed.
				if n := first.requests + second.requests; n > whole.requests+least+40 {
					t.Errorf("interrupted at request %d: %d and then %d requests, where %d are enough for a scan and %d for its lists", k, first.requests, second.requests, whole.requests, least)
				}
				if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
					t.Fatalf("what was kept is still there: %v", err)
				}
			}
		})
	}
}

// leastRequests is what a scan asks that continues one which had read everything.
func (j *journey) leastRequests(dir string) int {
	j.t.Helper()
	file := filepath.Join(dir, "least")
	j.readAlmostAll(dir, file)
	again := j.scanKeeping(file, endless, false)
	if again.err != nil || again.taken == 0 {
		j.t.Fatalf("%+v", again)
	}
	return again.requests
}

// readAlmostAll interrupts a scan at its last request, which is that for role assignments, when everything else has been read.
func (j *journey) readAlmostAll(dir, file string) {
	j.t.Helper()
	for range 5 { // the SDK of Azure DevOps asks an address for its routes once in the life of a process
		whole := j.scanKeeping(filepath.Join(dir, "count"), endless, false)
		if whole.err != nil {
			j.t.Fatal(whole.err)
		}
		if j.scanKeeping(file, int64(whole.requests-1), false).err != nil {
			return
		}
	}
	j.t.Fatal("a scan could not be interrupted at its last request")
}

func noCanary(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return // nothing was read yet
	}
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(world.Canary)) {
		t.Errorf("%s holds a secret", file)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v %v, want mode 0600", file, info.Mode(), err)
	}
}

// A scan that is interrupted again and again comes to its end as long as each begins with a few requests more than its lists need.
func TestAScanThatIsInterruptedAgainAndAgainEnds(t *testing.T) {
	j := resumable(t)["generated"]()
	dir := t.TempDir()
	want := timeless(t, j.scanKeeping(filepath.Join(dir, "whole"), endless, false).inv)
	budget, file := int64(j.leastRequests(dir)+30), filepath.Join(dir, "parts")
	for n := range 40 {
		s := j.scanKeeping(file, budget, false)
		if s.err == nil {
			if got := timeless(t, s.inv); got != want {
				t.Errorf("(-whole +continued):\n%s", gocmp.Diff(want, got))
			}
			t.Logf("%d scans of at most %d requests", n+1, budget)
			return
		}
	}
	t.Errorf("forty scans of %d requests did not come to an end", budget)
}

// Where the network is lost the scan ends with gaps, which the next one closes without reading again what was read.
func TestAScanThatLostTheNetworkIsContinued(t *testing.T) {
	for name, start := range resumable(t) {
		t.Run(name, func(t *testing.T) {
			j := start()
			dir := t.TempDir()
			whole := j.scanKeeping(filepath.Join(dir, "whole"), endless, false)
			want, least := timeless(t, whole.inv), j.leastRequests(dir)
			for k := 60; k < whole.requests; k += max(1, whole.requests/8) {
				file := filepath.Join(dir, fmt.Sprint(k))
				first := j.scanKeeping(file, int64(k), true)
				complete := first.err == nil && timeless(t, first.inv) == want // nothing that matters was lost
				if first.err == nil && !complete && (!first.kept || len(first.inv.Gaps) <= len(whole.inv.Gaps)) {
					t.Errorf("the network was lost after %d requests: kept %t, %d gaps", k, first.kept, len(first.inv.Gaps))
				}
				second := j.scanKeeping(file, endless, false)
				if got := timeless(t, second.inv); got != want {
					t.Errorf("the network was lost after %d requests (-whole +continued):\n%s", k, gocmp.Diff(want, got))
				}
				if n := first.requests + second.requests; n > whole.requests+least+40 {
					t.Errorf("lost after %d requests: %d and then %d requests", k, first.requests, second.requests)
				}
				if second.kept {
					t.Error("the scan is complete, and still its parts are kept")
				}
			}
		})
	}
}

// What has changed while a scan was interrupted is read again.
func TestAContinuedScanReadsAgainWhatHasChanged(t *testing.T) {
	j := resumable(t)["pipelines"]()
	dir := t.TempDir()
	file := filepath.Join(dir, "parts")
	j.readAlmostAll(dir, file)

	w := j.lab.World
	w.Lock()
	org := w.DevOps["fabrikam"]
	changes := 0
	for _, r := range org.Repos {
		if r.Git.Name == "store" {
			w.CommitFiles(r.Git, "main", "another step", map[string][]byte{"copy.yml": []byte("steps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: deployer, inlineScript: az account show}\n")})
			changes++
		}
	}
	for _, c := range org.Connections {
		if c.Refs[0].Name == "deployer" {
			c.Description = "of the platform team"
			c.Disabled = true
			changes++
		}
	}
	w.GitHub.Repo("fabrikam", "images").DefaultPermissions = "write"
	w.Unlock()
	if changes < 2 {
		t.Fatalf("%d changes: the scenario has no repository store or connection deployer any more", changes)
	}

	got := j.scanKeeping(file, endless, false)
	want := j.scanKeeping(filepath.Join(dir, "after"), endless, false)
	if got.taken == 0 || got.changed == 0 {
		t.Errorf("%d parts taken over, %d read again", got.taken, got.changed)
	}
	if d := gocmp.Diff(timeless(t, want.inv), timeless(t, got.inv)); d != "" {
		t.Errorf("after changes (-whole +continued):\n%s", d)
	}
}
