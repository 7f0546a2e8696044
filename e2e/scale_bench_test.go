//go:build unix

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
)

// program builds the program once for all benchmarks.
func program(b *testing.B) string {
	b.Helper()
	at := filepath.Join(b.TempDir(), "unsecret")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", at, "../cmd/unsecret").CombinedOutput(); err != nil {
		b.Fatalf("build the program: %v\n%s", err, out)
	}
	return at
}

// served is a lab in a process of its own, with what its one line of JSON tells.
type served struct {
	Control string                       `json:"control"`
	Tokens  map[string]map[string]string `json:"tokens"`
	config  string
}

// serveLab starts "unsecret lab" with a generated organisation and 50 ms latency.
func serveLab(b *testing.B, program string, flags ...string) served {
	b.Helper()
	config := filepath.Join(b.TempDir(), "unsecret.yaml")
	args := append([]string{"lab", "-o", "json", "--latency", "50ms", "--write-config", config}, flags...)
	cmd := exec.CommandContext(b.Context(), program, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReaderSize(out, 64<<20).ReadBytes('\n')
	if err != nil {
		b.Fatalf("read the lab's line: %v", err)
	}
	s := served{config: config}
	if err := json.Unmarshal(line, &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// request asks the lab's control API.
func (s served) request(b *testing.B, method, path string, into any) {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.Control+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	if into != nil {
		if err := json.NewDecoder(r.Body).Decode(into); err != nil {
			b.Fatal(err)
		}
	}
}

type kindCount struct {
	Server, Kind string
	Write        bool
	N            int
}

// BenchmarkScanOfAThousandRepositories scans generated organisations in a lab that answers 50 ms late, each in a process
// of its own, and reports what it took: requests to GitHub that read the workflows, requests for each repository with
// a login beyond those, wall time and the peak of resident memory.
func BenchmarkScanOfAThousandRepositories(b *testing.B) {
	bin := program(b)
	for _, every := range []int{10, 1} {
		b.Run(fmt.Sprintf("one-in-%d-signs-in", every), func(b *testing.B) {
			l := serveLab(b, bin, "--repositories", "1000", "--login-every", strconv.Itoa(every))
			for b.Loop() {
				l.request(b, http.MethodDelete, "counts", nil)
				state := b.TempDir()
				cmd := exec.CommandContext(b.Context(), bin, "scan", "--quiet", "--config", l.config, "--state", state)
				cmd.Env = append(os.Environ(), l.environment("reader")...)
				start := time.Now()
				out, err := cmd.CombinedOutput()
				took := time.Since(start)
				if code := cmd.ProcessState.ExitCode(); err != nil && code != 5 && code != 3 {
					b.Fatalf("scan: %v\n%s", err, out)
				}
				l.report(b, state, cmd.ProcessState, took)
			}
		})
	}
}

// BenchmarkApplyByTheProgram applies the generated organisation of UNSECRET_UNITS units (default 40) in a lab that answers 100 ms late, each in
// a process of its own, and reports what apply took: wall time and the peak of resident memory.
func BenchmarkApplyByTheProgram(b *testing.B) {
	bin := program(b)
	l := serveLab(b, bin, "--connections", strconv.Itoa(benchUnits()*3/2), "--latency", "100ms")
	env := append(os.Environ(), l.environment("operator")...)
	for b.Loop() {
		state := b.TempDir()
		run := func(codes []int, args ...string) (*os.ProcessState, time.Duration) {
			cmd := exec.CommandContext(b.Context(), bin, append(args, "--quiet", "--config", l.config, "--state", state)...)
			cmd.Env = env
			start := time.Now()
			out, err := cmd.CombinedOutput()
			if !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
				b.Fatalf("%s: %v\n%s", args[0], err, out)
			}
			return cmd.ProcessState, time.Since(start)
		}
		run([]int{0, 3, 5}, "scan")
		run([]int{0, 3, 4}, "plan")
		l.request(b, http.MethodDelete, "counts", nil)
		done, took := run([]int{0, 4}, "apply", "--yes")
		var counts lab.Counts
		l.request(b, http.MethodGet, "counts", &counts)
		bound, where := latencyBound(counts, false)
		b.Logf("apply took %s; bound %s, by %s", took.Round(time.Millisecond), bound.Round(time.Millisecond), where)
		b.ReportMetric(took.Seconds()/bound.Seconds(), "times-bound")
		if usage, ok := done.SysUsage().(*syscall.Rusage); ok {
			b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MB")
		}
	}
}

// eachLargeTenant serves a small and a large organisation of Azure DevOps with its tenant, in a lab that does not delay its answers.
func eachLargeTenant(b *testing.B, do func(b *testing.B, bin string, l served)) {
	bin := program(b)
	for _, size := range []struct{ projects, connections, pipelines, applications int }{{20, 400, 2000, 200}, {500, 10000, 50000, 5000}} {
		b.Run(fmt.Sprintf("%d-projects-%d-connections-%d-pipelines-%d-applications", size.projects, size.connections, size.pipelines, size.applications), func(b *testing.B) {
			l := serveLab(b, bin, "--latency", "0s", "--repositories", "1", "--projects", strconv.Itoa(size.projects), "--connections", strconv.Itoa(size.connections),
				"--pipelines", strconv.Itoa(size.pipelines), "--identities", strconv.Itoa(size.applications))
			do(b, bin, l)
		})
	}
}

// BenchmarkScanOfALargeTenant scans an organisation of Azure DevOps with its tenant as a process against a lab in another one, and reports requests
// by system, wall time and the peak of resident memory. The lab does not delay its answers.
func BenchmarkScanOfALargeTenant(b *testing.B) {
	eachLargeTenant(b, func(b *testing.B, bin string, l served) {
		for b.Loop() {
			l.request(b, http.MethodDelete, "counts", nil)
			cmd := exec.CommandContext(b.Context(), bin, "scan", "--quiet", "--config", l.config, "--state", b.TempDir())
			cmd.Env = append(os.Environ(), l.environment("reader")...)
			start := time.Now()
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); err != nil && code != 5 {
				b.Fatalf("scan: %v\n%s", err, out)
			}
			b.ReportMetric(time.Since(start).Seconds(), "scan-s")
			l.reportServers(b)
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MB")
			}
		}
	})
}

// BenchmarkScanKilledAtSize kills a scan (SIGKILL) when it has sent about a third of its requests, and the next one at about two thirds, and lets the
// last one continue. The inventory must be that of a scan that nobody kills, byte for byte but for the times. It reports the requests and the time of all
// three together, and the peak of memory of any.
func BenchmarkScanKilledAtSize(b *testing.B) {
	eachLargeTenant(b, func(b *testing.B, bin string, l served) {
		for b.Loop() {
			whole := b.TempDir()
			l.request(b, http.MethodDelete, "counts", nil)
			l.scanUntil(b, bin, whole, 0)
			all := l.requests(b)
			b.ReportMetric(float64(all), "requests-unkilled")

			killed := b.TempDir()
			l.request(b, http.MethodDelete, "counts", nil)
			start, peak := time.Now(), 0.0
			for _, until := range []int{all / 3, 2 * all / 3, 0} {
				peak = max(peak, l.scanUntil(b, bin, killed, until))
			}
			b.ReportMetric(time.Since(start).Seconds(), "scans-s")
			b.ReportMetric(float64(l.requests(b)), "requests")
			b.ReportMetric(peak, "peak-MB")
			if want, got := withoutTimes(b, whole), withoutTimes(b, killed); want != got {
				b.Errorf("the inventory of a continued scan is another one, from here on: %s", firstDifference([]byte(want), []byte(got)))
			}
		}
	})
}

// scanUntil scans, and kills the scan when the lab has counted so many requests; 0 is never. It gives the peak of memory in MB.
func (s served) scanUntil(b *testing.B, bin, state string, requests int) float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), bin, "scan", "--quiet", "--config", s.config, "--state", state)
	cmd.Env = append(os.Environ(), s.environment("reader")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(100 * time.Millisecond):
			if requests > 0 && s.requests(b) >= requests {
				if err := cmd.Process.Kill(); err != nil {
					b.Fatal(err)
				}
				<-done
				running = false
			}
		}
	}
	if code := cmd.ProcessState.ExitCode(); (requests == 0) != (code == 0 || code == 5) {
		b.Fatalf("the scan that was to be killed at %d requests (0: never) ended with %d\n%s", requests, code, out.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(usage.Maxrss) / 1024
}

func (s served) requests(b *testing.B) int {
	b.Helper()
	var counts []kindCount
	s.request(b, http.MethodGet, "counts", &counts)
	all := 0
	for _, c := range counts {
		all += c.N
	}
	return all
}

// times are the members of an inventory that tell when something was read.
var times = regexp.MustCompile(`"(?:scannedAt|since)": ?"[^"]*"`)

func withoutTimes(b *testing.B, state string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(state, "inventory.json"))
	if err != nil {
		b.Fatal(err)
	}
	return times.ReplaceAllString(string(text), "")
}

// reportServers reports how often each system was asked.
func (s served) reportServers(b *testing.B) {
	b.Helper()
	var counts []kindCount
	s.request(b, http.MethodGet, "counts", &counts)
	by, all := map[string]int{}, 0
	for _, c := range counts {
		by[c.Server] += c.N
		all += c.N
		if c.Write {
			b.Errorf("a scan wrote: %+v", c)
		}
	}
	b.ReportMetric(float64(all), "requests")
	for server, n := range by {
		b.ReportMetric(float64(n), server+"-requests")
	}
}

// environment is what "unsecret lab" tells to put into the environment: the tokens of a role.
func (s served) environment(role string) []string {
	t := s.Tokens[role]
	return []string{"GITHUB_TOKEN=" + t["github"], "UNSECRET_AZURE_DEVOPS_TOKEN=" + t["azureDevOps"], "UNSECRET_GRAPH_TOKEN=" + t["graph"], "UNSECRET_ARM_TOKEN=" + t["arm"]}
}

func (s served) report(b *testing.B, state string, done *os.ProcessState, took time.Duration) {
	b.Helper()
	var counts []kindCount
	s.request(b, http.MethodGet, "counts", &counts)
	read, more := 0, 0
	for _, c := range counts {
		switch {
		case c.Write:
			b.Errorf("a scan wrote: %+v", c)
		case c.Server != "github":
		case strings.Contains(c.Kind, "graphql"), strings.HasSuffix(c.Kind, "/orgs/{org}/repos"), strings.Contains(c.Kind, "/git/blobs/"):
			read += c.N
		default:
			more += c.N
		}
	}
	text, err := os.ReadFile(filepath.Join(state, "inventory.json"))
	if err != nil {
		b.Fatal(err)
	}
	var inv struct {
		Repositories, Gaps []json.RawMessage
		Logins             []struct{ Repository string }
	}
	if err := json.Unmarshal(text, &inv); err != nil {
		b.Fatal(err)
	}
	with := map[string]bool{}
	for _, l := range inv.Logins {
		with[l.Repository] = true
	}
	if len(inv.Repositories) != 1000 {
		b.Errorf("%d repositories were read; gaps: %s", len(inv.Repositories), inv.Gaps)
	}
	b.ReportMetric(float64(read), "requests-to-read")
	b.ReportMetric(float64(more)/float64(max(1, len(with))), "requests/login-repo")
	b.ReportMetric(took.Seconds(), "scan-s")
	if usage, ok := done.SysUsage().(*syscall.Rusage); ok {
		b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MB")
	}
	b.ReportMetric(float64(len(inv.Gaps)), "gaps")
}
