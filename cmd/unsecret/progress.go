package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// progress tells on stderr how far a command is: on a terminal one line that is rewritten in place, with counts, rate
// and time left; elsewhere plain lines, at most one every few seconds for each kind.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	quiet bool
	now   func() time.Time

	kinds []scan.Event
	began map[string]time.Time // when a kind was first heard of
	last  map[string]time.Time // when a plain line was last written for it
	drawn time.Time
	width int
}

// How often the live line is redrawn, and how often a plain line is written for one kind.
const (
	liveEvery  = 100 * time.Millisecond
	plainEvery = 5 * time.Second
)

func newProgress(w io.Writer, quiet bool) *progress {
	return &progress{w: w, live: isTerminal(w), quiet: quiet, now: time.Now,
		began: map[string]time.Time{}, last: map[string]time.Time{}}
}

// update is called for each event; it is safe for concurrent use.
func (p *progress) update(e scan.Event) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.kinds, func(k scan.Event) bool { return k.Kind == e.Kind })
	if i < 0 {
		p.kinds = append(p.kinds, e)
	} else if e.Done >= p.kinds[i].Done || e.Total > p.kinds[i].Total {
		p.kinds[i] = e
	}
	now := p.now()
	if p.began[e.Kind].IsZero() {
		p.began[e.Kind], p.last[e.Kind] = now, now
	}
	if p.live {
		if now.Sub(p.drawn) >= liveEvery {
			p.drawn = now
			p.draw()
		}
		return
	}
	if e.Total > 0 && e.Done == e.Total || e.Done > 0 && now.Sub(p.last[e.Kind]) >= plainEvery {
		p.last[e.Kind] = now
		fmt.Fprintf(p.w, "%s: %s\n", e.Kind, p.counts(e, now))
	}
}

// counts gives "12/40, 3.1/s, 9s left".
func (p *progress) counts(e scan.Event, now time.Time) string {
	s := fmt.Sprint(e.Done)
	if e.Total > 0 {
		s = fmt.Sprintf("%d/%d", e.Done, e.Total)
	}
	elapsed := now.Sub(p.began[e.Kind]).Seconds()
	if e.Done == 0 || elapsed <= 0 {
		return s
	}
	rate := float64(e.Done) / elapsed
	s += fmt.Sprintf(", %.1f/s", rate)
	if left := e.Total - e.Done; left > 0 {
		s += ", " + (time.Duration(float64(left)/rate*1e9) * time.Nanosecond).Round(time.Second).String() + " left"
	}
	return s
}

func (p *progress) draw() {
	now := p.now()
	parts := make([]string, 0, len(p.kinds))
	for _, e := range p.kinds {
		if e.Total > 0 && e.Done == e.Total {
			parts = append(parts, fmt.Sprintf("%s %d", e.Kind, e.Done))
		} else {
			parts = append(parts, e.Kind+" "+p.counts(e, now))
		}
	}
	line := strings.Join(parts, " · ")
	if r := []rune(line); len(r) > 79 {
		line = "…" + string(r[len(r)-78:])
	}
	n := len([]rune(line))
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-n)))
	p.width = n
}

// done clears the live line.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live && p.width > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}

// say writes one plain line of progress.
func (p *progress) say(format string, args ...any) {
	if !p.quiet {
		p.log(fmt.Sprintf(format, args...))
	}
}

// log writes one plain line, asked for or not to be left out. The live line makes room and is drawn again later. Texts
// come from outside; on a terminal they are wrapped, elsewhere a line stays a line.
func (p *progress) log(text string) {
	p.done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		bullet(p.w, "", text)
		return
	}
	fmt.Fprintln(p.w, clean(text))
}
