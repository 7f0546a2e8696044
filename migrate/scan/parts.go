package scan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// partsFormat is the version of the file of parts. A file of another version is not read.
const partsFormat = 1

// DefaultContinue is how old an interrupted scan may be that the next one continues.
const DefaultContinue = 12 * time.Hour

// PartsOptions say whose parts are wanted.
type PartsOptions struct {
	// Scope is what the scan reads, with everything that decides what it keeps of it. Parts of another scope are not used.
	Scope string
	// Now is the services' time, as far as they have told it; nil means the local clock.
	Now   func() time.Time
	Keep  time.Duration // how old an interrupted scan may be; 0 means DefaultContinue
	Fresh bool          // forget what an interrupted scan has read
}

// Parts keeps what a scan has read so far, so that after an interruption the next one goes on from there. It is a file of JSON lines
// that only its owner can read: each names an object, the version at which it was read, and what came of it for the inventory, which holds no secret.
// Of what is in the file only the places of the lines are in memory. A nil *Parts keeps nothing.
type Parts struct {
	mu      sync.Mutex
	file    *os.File
	size    int64
	index   map[[16]byte]part
	scope   string
	now     func() time.Time
	opened  time.Time // by the local clock
	header  partsHeader
	found   int // parts that an interrupted scan had left
	taken   int
	changed int
	missed  bool  // something could not be read for a reason that passes
	failed  error // the file could not be written: nothing more is kept
}

// part is the place of a line, and a hash of the version that it is of.
type part struct {
	at      int64
	size    int
	version [16]byte
}

// partsHeader is the first line.
type partsHeader struct {
	Format int       `json:"unsecretScan"`
	Scope  string    `json:"scope"`
	Opened time.Time `json:"opened"` // by the local clock, which tells its age
	Began  time.Time `json:"began"`  // by the services' clocks, which tell what has changed since
}

// partsMargin is taken off the time at which a scan began, for clocks of one service that differ from each other.
const partsMargin = time.Minute

// partsLine is any other line.
type partsLine struct {
	Key     string          `json:"key"`
	Version string          `json:"version"`
	Part    json.RawMessage `json:"part"`
}

// OpenParts opens the file of parts, and makes it where there is none. ErrPartsBusy: another scan is writing it.
func OpenParts(name string, o PartsOptions) (*Parts, error) {
	if o.Keep == 0 {
		o.Keep = DefaultContinue
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("keep what the scan reads in %s: %w", name, err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep what the scan reads: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	scope := hash(o.Scope)
	p := &Parts{file: f, index: map[[16]byte]part{}, scope: hex.EncodeToString(scope[:]), now: o.Now, opened: time.Now()}
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// ErrPartsBusy is returned where another scan is at work on the same state.
var ErrPartsBusy = errors.New("another scan is at work on this state")

func (p *Parts) open(o PartsOptions) error {
	held, err := execute.HoldFile(p.file)
	if err != nil {
		return fmt.Errorf("lock %s: %w", p.file.Name(), err)
	}
	if !held {
		return fmt.Errorf("%s: %w", p.file.Name(), ErrPartsBusy)
	}
	if !o.Fresh && p.read(o.Keep) {
		p.found = len(p.index)
		return p.cut()
	}
	p.header, p.size, p.index = partsHeader{}, 0, map[[16]byte]part{}
	return p.cut()
}

// begin writes the first line, when a service has told its time.
func (p *Parts) begin() error {
	if p.header.Format != 0 {
		return nil
	}
	began := p.now().Add(-time.Since(p.opened) - partsMargin)
	p.header = partsHeader{Format: partsFormat, Scope: p.scope, Opened: p.opened.UTC().Truncate(time.Second), Began: began.UTC().Truncate(time.Second)}
	return p.append(p.header)
}

// cut takes away what stands behind the lines that were read: a line that was cut short, or another scan's parts.
func (p *Parts) cut() error {
	if err := p.file.Truncate(p.size); err != nil {
		return fmt.Errorf("cut %s: %w", p.file.Name(), err)
	}
	return nil
}

// read takes in what an interrupted scan has left, up to the first line that is not whole. It tells whether that is to be continued.
func (p *Parts) read(keep time.Duration) bool {
	lines := bufio.NewReaderSize(p.file, 1<<16)
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the end, or a line that was cut short
			return !first
		}
		if first {
			var h partsHeader
			if json.Unmarshal(line, &h) != nil {
				return false
			}
			if age := p.opened.Sub(h.Opened); h.Format != partsFormat || h.Scope != p.scope || age > keep || age < -partsMargin {
				return false
			}
			p.header = h
		} else {
			var l partsLine
			if json.Unmarshal(line, &l) != nil {
				return true
			}
			p.index[hash(l.Key)] = part{at: p.size, size: len(line), version: hash(l.Version)}
		}
		p.size += int64(len(line))
	}
}

func hash(text string) [16]byte {
	h := sha256.Sum256([]byte(text))
	return [16]byte(h[:16])
}

// versionOf is a version made of values: whatever of them changes makes another one.
func versionOf(values ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return "" // never: the values are plain data
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// load gives what was read of an object at a version. With another version it is to be read again.
func (p *Parts) load(key, version string, into any) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.index[hash(key)]
	if !ok {
		return false
	}
	if at.version != hash(version) {
		p.changed++
		return false
	}
	line := make([]byte, at.size)
	var l partsLine
	if _, err := p.file.ReadAt(line, at.at); err != nil || json.Unmarshal(line, &l) != nil || l.Key != key || json.Unmarshal(l.Part, into) != nil {
		return false
	}
	p.taken++
	return true
}

// outdated notes that a part which was loaded is not to be used, since something else that it is made of has changed.
func (p *Parts) outdated() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken, p.changed = p.taken-1, p.changed+1
}

// save keeps what was read of an object. A scan does not fail because of that: the first error ends the keeping, and Close tells it.
func (p *Parts) save(key, version string, value any) {
	if p == nil {
		return
	}
	raw, err := json.Marshal(value)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return
	}
	if err == nil {
		err = p.begin()
	}
	at := p.size
	if err == nil {
		err = p.append(partsLine{Key: key, Version: version, Part: raw})
	}
	if err != nil {
		p.failed = err
		return
	}
	p.index[hash(key)] = part{at: at, size: int(p.size - at), version: hash(version)}
}

// append writes a line with one write, so that a killed process leaves whole lines and at most one that is cut short.
func (p *Parts) append(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("keep what the scan reads: %w", err)
	}
	n, err := p.file.WriteAt(b.Bytes(), p.size)
	if err != nil {
		return fmt.Errorf("keep what the scan reads: %w", err)
	}
	p.size += int64(n)
	return nil
}

// Began is when the scan began that this one continues, or when this one did.
func (p *Parts) Began() time.Time {
	if p == nil {
		return time.Time{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.begin(); err != nil && p.failed == nil {
		p.failed = err
	}
	return p.header.Began
}

// Since is when the scan that is continued was started, by the local clock.
func (p *Parts) Since() time.Time { return p.header.Opened }

// Continues tells how many parts an interrupted scan has left that this one may take over; 0: this scan begins anew.
func (p *Parts) Continues() int {
	if p == nil {
		return 0
	}
	return p.found
}

// Used tells how many parts were taken over from an interrupted scan so far, and how many were read again since their objects had changed.
func (p *Parts) Used() (taken, changed int) {
	if p == nil {
		return 0, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, p.changed
}

// miss notes that something could not be read for a reason that passes, so that the scan is not complete.
func (p *Parts) miss() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed = true
}

// Finish ends a scan that came to its end: what it has kept is removed, unless something could not be read for a reason that passes, so that
// another scan is to continue it.
func (p *Parts) Finish() (kept bool, err error) {
	if p == nil {
		return false, nil
	}
	if p.missed {
		return len(p.index) > 0, p.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return false, p.remove()
}

// Close leaves the parts for the next scan. The error tells that they could not all be written.
func (p *Parts) Close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.index) == 0 {
		return errors.Join(p.failed, p.remove())
	}
	return errors.Join(p.failed, p.file.Close())
}

// remove forgets the parts.
func (p *Parts) remove() error {
	// It is emptied first: on Windows a file cannot be removed while it is open, and who finds it empty begins anew.
	if err := p.file.Truncate(0); err != nil {
		return errors.Join(fmt.Errorf("empty %s: %w", p.file.Name(), err), p.file.Close())
	}
	if err := p.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", p.file.Name(), err)
	}
	if err := os.Remove(p.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what the scan had kept: %w", err)
	}
	return nil
}

var _ io.Closer = (*Parts)(nil)

// partKey names a part; names may hold anything but a line feed, which separates them.
func partKey(names ...string) string { return strings.Join(names, "\n") }

// Passing tells whether a failure is of the kind that passes by itself: no answer, too many requests, an error of the server. What was refused,
// or is not there, is not asked for again just because a scan goes on.
func Passing(err error) bool {
	for _, lasting := range []error{execute.ErrNotFound, execute.ErrForbidden, execute.ErrRefused, execute.ErrConflict, execute.ErrLimit, execute.ErrPolicy} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return err != nil && !errors.As(err, new(*noReader))
}

// lacking names the permission that a read takes, where the read was refused, or answered as if nothing were there.
func lacking(err error, permission string) string {
	if errors.Is(err, execute.ErrForbidden) || errors.Is(err, execute.ErrNotFound) {
		return permission
	}
	return ""
}
