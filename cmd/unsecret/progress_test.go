package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// ticking is a clock that a test moves.
type ticking struct{ t time.Time }

func (c *ticking) now() time.Time { return c.t }

func testProgress(live bool) (*progress, *bytes.Buffer, *ticking) {
	var b bytes.Buffer
	c := &ticking{time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
	p := newProgress(&b, false)
	p.live, p.now = live, c.now
	return p, &b, c
}

func TestLiveLineTellsCountsRateAndTimeLeft(t *testing.T) {
	p, out, clock := testProgress(true)
	p.update(scan.Event{Kind: "repositories", Total: 40})
	clock.t = clock.t.Add(4 * time.Second)
	p.update(scan.Event{Kind: "repositories", Done: 8, Total: 40})
	if want := "\rrepositories 8/40, 2.0/s, 16s left"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want it to end with %q", out.String(), want)
	}
}

func TestLiveLineIsDrawnAtMostTenTimesASecondAndIsCleared(t *testing.T) {
	p, out, clock := testProgress(true)
	for i := range 1000 {
		clock.t = clock.t.Add(time.Millisecond)
		p.update(scan.Event{Kind: "repositories", Done: i, Total: 1000})
	}
	if n := strings.Count(out.String(), "\r"); n > 11 {
		t.Errorf("drawn %d times in a second", n)
	}
	p.done()
	if line := out.String()[strings.LastIndex(strings.TrimSuffix(out.String(), "\r"), "\r"):]; strings.TrimSpace(line) != "" {
		t.Errorf("the live line is not cleared: %q", line)
	}
}

func TestLiveLineFitsATerminalAndMakesRoomForLines(t *testing.T) {
	p, out, clock := testProgress(true)
	for _, k := range []string{"repositories", "repository settings", "connections", "projects", "sign-ins", "applications"} {
		clock.t = clock.t.Add(time.Second)
		p.update(scan.Event{Kind: k, Done: 123456, Total: 999999})
	}
	p.say("host\x1b[2J: waiting 3s before the next request")
	for part := range strings.SplitSeq(out.String(), "\r") {
		if widest(part) > 80 {
			t.Errorf("%d columns: %q", widest(part), part)
		}
	}
	if !strings.HasSuffix(out.String(), "\rhost�[2J: waiting 3s before the next request\n") {
		t.Errorf("the line does not stand alone: %q", out.String())
	}
}

func TestPlainProgressIsALineAtTheEndAndNowAndThen(t *testing.T) {
	p, out, clock := testProgress(false)
	for i := range 21 {
		clock.t = clock.t.Add(time.Second)
		p.update(scan.Event{Kind: "repositories", Done: i, Total: 20})
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || strings.Contains(out.String(), "\r") {
		t.Errorf("got %d lines, want 4: %q", len(lines), out.String())
	}
	if want := "repositories: 20/20, 1.0/s"; lines[len(lines)-1] != want {
		t.Errorf("the last line is %q, want %q", lines[len(lines)-1], want)
	}
}

func TestQuietProgressSaysNothing(t *testing.T) {
	p, out, _ := testProgress(true)
	p.quiet = true
	p.update(scan.Event{Kind: "repositories", Done: 1, Total: 1})
	p.say("nothing")
	p.done()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}
