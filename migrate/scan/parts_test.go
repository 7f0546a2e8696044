package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

func openParts(t *testing.T, file string, o PartsOptions) *Parts {
	t.Helper()
	p, err := OpenParts(file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.file.Close() })
	return p
}

// left writes what an interrupted scan leaves: two parts.
func left(t *testing.T, scope string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state", "parts")
	p := openParts(t, file, PartsOptions{Scope: scope})
	p.save("a", "1", "first")
	p.save("b", "1", "second")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPartsAreTakenOverAtTheirVersionOnly(t *testing.T) {
	file := left(t, "x")
	p := openParts(t, file, PartsOptions{Scope: "x"})
	var got string
	if p.Continues() != 2 || !p.load("b", "1", &got) || got != "second" {
		t.Errorf("%d parts, %q", p.Continues(), got)
	}
	if p.load("a", "2", &got) || p.load("c", "1", &got) {
		t.Errorf("a part of another version or name was taken over: %q", got)
	}
	p.save("a", "2", "anew")
	if !p.load("a", "2", &got) || got != "anew" || p.load("a", "1", &got) {
		t.Errorf("what was read again does not replace what was kept: %q", got)
	}
	if taken, changed := p.Used(); taken != 2 || changed != 2 {
		t.Errorf("%d taken, %d changed", taken, changed)
	}
}

func TestPartsOfAnotherScanAreNotUsed(t *testing.T) {
	day := func() time.Time { return time.Now() }
	for name, tc := range map[string]struct {
		o    PartsOptions
		edit func(string) string
	}{
		"another scope":  {o: PartsOptions{Scope: "y", Now: day}},
		"fresh":          {o: PartsOptions{Scope: "x", Fresh: true}},
		"too old":        {o: PartsOptions{Scope: "x", Keep: time.Nanosecond}, edit: func(s string) string { return strings.Replace(s, `"opened":"20`, `"opened":"19`, 1) }},
		"of the future":  {o: PartsOptions{Scope: "x"}, edit: func(s string) string { return strings.Replace(s, `"opened":"20`, `"opened":"21`, 1) }},
		"another format": {o: PartsOptions{Scope: "x"}, edit: func(s string) string { return strings.Replace(s, `"unsecretScan":1`, `"unsecretScan":2`, 1) }},
		"no header":      {o: PartsOptions{Scope: "x"}, edit: func(s string) string { _, rest, _ := strings.Cut(s, "\n"); return rest }},
		"empty":          {o: PartsOptions{Scope: "x"}, edit: func(string) string { return "" }},
		"not JSON":       {o: PartsOptions{Scope: "x"}, edit: func(string) string { return "hello\n" }},
	} {
		t.Run(name, func(t *testing.T) {
			file := left(t, "x")
			if tc.edit != nil {
				rewritten(t, file, tc.edit)
			}
			p := openParts(t, file, tc.o)
			var got string
			if p.Continues() != 0 || p.load("a", "1", &got) {
				t.Errorf("%d parts were taken over: %q", p.Continues(), got)
			}
			p.save("a", "1", "mine")
			if !p.load("a", "1", &got) || got != "mine" {
				t.Errorf("what is kept now is %q", got)
			}
		})
	}
}

func rewritten(t *testing.T, file string, edit func(string) string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(edit(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A killed process can leave a line that is cut short, at any byte. What stands before it is used, and what comes after it is whole.
func TestPartsSurviveACutAtAnyByte(t *testing.T) {
	whole, err := os.ReadFile(left(t, "x"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		file := filepath.Join(t.TempDir(), "parts")
		if err := os.WriteFile(file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		p := openParts(t, file, PartsOptions{Scope: "x"})
		if want := max(0, strings.Count(string(whole[:n]), "\n")-1); p.Continues() != want {
			t.Fatalf("cut at %d: %d parts, want %d", n, p.Continues(), want)
		}
		p.save("c", "1", "third")
		had := p.Continues()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		again := openParts(t, file, PartsOptions{Scope: "x"})
		var got string
		if again.Continues() != had+1 || !again.load("c", "1", &got) || got != "third" {
			t.Fatalf("cut at %d: then %d parts, %q", n, again.Continues(), got)
		}
	}
}

func TestTwoScansDoNotShareTheirParts(t *testing.T) {
	file := left(t, "x")
	p := openParts(t, file, PartsOptions{Scope: "x"})
	if _, err := OpenParts(file, PartsOptions{Scope: "x"}); !errors.Is(err, ErrPartsBusy) {
		t.Errorf("a second scan: %v", err)
	}
	if kept, err := p.Finish(); kept || err != nil {
		t.Errorf("kept %t: %v", kept, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a complete scan: %v", err)
	}
}

func TestWhatWasMissedKeepsTheParts(t *testing.T) {
	file := left(t, "x")
	p := openParts(t, file, PartsOptions{Scope: "x"})
	p.miss()
	if kept, err := p.Finish(); !kept || err != nil {
		t.Errorf("kept %t: %v", kept, err)
	}
	if p := openParts(t, file, PartsOptions{Scope: "x"}); p.Continues() != 2 {
		t.Errorf("%d parts", p.Continues())
	}
}

// A full disk does not end a scan; Close tells that the next one begins anew with what is missing.
func TestPartsThatCannotBeWrittenDoNotStopTheScan(t *testing.T) {
	p := openParts(t, left(t, "x"), PartsOptions{Scope: "x"})
	readOnly, err := os.Open(p.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	_ = p.file.Close()
	p.file = readOnly
	p.save("c", "1", "third")
	var got string
	if p.load("c", "1", &got) || !p.load("a", "1", &got) {
		t.Errorf("%q", got)
	}
	if err := p.Close(); err == nil {
		t.Error("no error tells that not all was kept")
	}
}

func TestNoPartsKeepNothing(t *testing.T) {
	var p *Parts
	p.save("a", "1", "x")
	p.miss()
	var got string
	if p.load("a", "1", &got) || p.Continues() != 0 || !p.Began().IsZero() || p.Close() != nil {
		t.Error("nil parts keep something")
	}
	if kept, err := p.Finish(); kept || err != nil {
		t.Error(kept, err)
	}
}

func TestOnlyFailuresThatPassAreWorthAnotherScan(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("x: %w", execute.ErrForbidden):     false,
		fmt.Errorf("x: %w", execute.ErrNotFound):      false,
		fmt.Errorf("x: %w", execute.ErrRefused):       false,
		fmt.Errorf("x: %w", &noReader{"no", ""}):      false,
		fmt.Errorf("x: %w", net.ErrClosed):            true,
		fmt.Errorf("x: %w", context.DeadlineExceeded): true,
		errors.New("HTTP 503"):                        true,
	} {
		if Passing(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
	if Passing(nil) {
		t.Error("no failure passes")
	}
}
