package execute

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The lock of a state directory has two parts. The lock file's text is a lease: who holds it and until when. It is read and
// changed only under a short kernel lock on that file, and so is each write to the journal: a process whose lease was taken
// over, however long it was suspended, finds that out before it writes. A second kernel lock, on the journal itself, is held as
// long as the process lives: it tells that a holder on this machine was killed, so that nobody has to wait for the lease to end.

// lease is the text of a lock file; none when nobody holds it.
type lease struct {
	ID string `json:"id"`
	LockHolder
	Until time.Time `json:"until"`
	// Guarded tells that the holder has the kernel lock on the journal as well, and has ended if it does not have it any more.
	Guarded bool `json:"guarded,omitempty"`
}

// How long to try to get the short lock: another holds it for one write to the disk. A process that has begun an effect
// has more patience.
const (
	shortPatience = 5 * time.Second
	longPatience  = 30 * time.Second
)

// lockGuard is the lock file, whose short kernel lock guards the lease and the journal.
type lockGuard struct {
	mu   sync.Mutex // between the goroutines of this process, which share one kernel lock
	file *os.File
}

// openLock opens the lock file.
func (s *DirStore) openLock() (*lockGuard, error) {
	if err := regular(s.Place(LockFile)); err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	f, err := os.OpenFile(s.Place(LockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w; the state must be in a directory that can be written: free the disk or mend its permissions, or choose another state with --state", err)
	}
	return &lockGuard{file: f}, nil
}

// exclusive does something that no other process does at the same time.
func (g *lockGuard) exclusive(patience time.Duration, do func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		held, err := tryLock(g.file)
		if err != nil {
			return fmt.Errorf("lock journal %s: %w", g.file.Name(), err)
		}
		if held {
			break
		}
		if time.Now().After(end) {
			l, _ := g.read()
			return &LockedError{Path: g.file.Name(), LockHolder: l.LockHolder, Until: l.Until}
		}
	}
	err := do()
	if e := unlock(g.file); err == nil {
		err = e
	}
	return err
}

// read gives the lease. A text that is none, which only a crash of the machine leaves behind, is no lease.
func (g *lockGuard) read() (lease, error) {
	var l lease
	text, err := io.ReadAll(io.NewSectionReader(g.file, 0, 4096))
	if err != nil {
		return l, fmt.Errorf("read the lock %s: %w", g.file.Name(), err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return lease{}, nil //nolint:nilerr // a lease that a crash cut off holds nothing: the lock is free
	}
	return l, nil
}

func (g *lockGuard) write(l lease) error {
	text, err := json.Marshal(l)
	// In place and then cut, so that a full disk does not take away what is there.
	if err == nil {
		_, err = g.file.WriteAt(append(text, '\n'), 0)
	}
	if err == nil {
		err = g.file.Truncate(int64(len(text) + 1))
	}
	if err != nil {
		return fmt.Errorf("write the lock %s: %w", g.file.Name(), err)
	}
	return nil
}

// dirJournal is a journal of a directory whose lock is held.
type dirJournal struct {
	guard    *lockGuard
	file     *os.File
	lease    lease // changed only under guard
	taken    *TakenLock
	stop     chan struct{}
	renewing sync.WaitGroup
}

// TakenOver implements JournalWriter.
func (w *dirJournal) TakenOver() *TakenLock { return w.taken }

// take takes the lease if it is free, has ended, is that of a process that has ended, or is to be broken.
func (w *dirJournal) take(r LockRequest) error {
	held, err := w.guard.read()
	if err != nil {
		return err
	}
	// The kernel lock goes with the process, so it is there for the taking when the holder was killed.
	alone, err := tryLock(w.file)
	if err != nil {
		return fmt.Errorf("lock journal %s: %w", w.file.Name(), err)
	}
	host, _ := os.Hostname()
	now := time.Now()
	switch {
	case held.ID == "":
	case alone && held.Guarded && held.Host == host: // its process was killed
	case r.Break:
		w.taken = &TakenLock{LockHolder: held.LockHolder, Broken: true}
	case now.After(held.Until):
		w.taken = &TakenLock{LockHolder: held.LockHolder}
	default:
		return &LockedError{Path: w.file.Name(), LockHolder: held.LockHolder, Until: held.Until}
	}
	w.lease = lease{ID: uuid.NewString(), LockHolder: LockHolder{Holder: r.Holder, PID: os.Getpid(), Host: host, Since: r.Now.UTC().Round(0)},
		Until: now.Add(LeaseTime).UTC().Round(0), Guarded: alone}
	return w.guard.write(w.lease)
}

// mine checks that the lease is still this process's: another may have taken it after it ended, or broken it, or somebody
// has removed the file.
func (w *dirJournal) mine() error {
	held, err := w.guard.read()
	if err != nil {
		return err
	}
	if held.ID != w.lease.ID {
		if held.ID == "" {
			return fmt.Errorf("%w: it was broken; nothing more is written", ErrLockLost)
		}
		return fmt.Errorf("%w: %s has it; nothing more is written", ErrLockLost, held.LockHolder)
	}
	there, err := os.Stat(w.guard.file.Name())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLockLost, err)
	}
	if here, err := w.guard.file.Stat(); err != nil || !os.SameFile(here, there) {
		return fmt.Errorf("%w: %s was removed or replaced", ErrLockLost, w.guard.file.Name())
	}
	return nil
}

// renew extends the lease as long as the process lives. When it cannot, the next write finds out why.
func (w *dirJournal) renew() {
	t := time.NewTicker(LeaseTime / 4)
	defer t.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
			_ = w.guard.exclusive(shortPatience, w.extend)
		}
	}
}

// extend sets the lease's end anew, and takes the kernel lock where a process that was suspended had it.
func (w *dirJournal) extend() error {
	if err := w.mine(); err != nil {
		return err
	}
	if !w.lease.Guarded {
		w.lease.Guarded, _ = tryLock(w.file)
	}
	w.lease.Until = time.Now().Add(LeaseTime).UTC().Round(0)
	return w.guard.write(w.lease)
}

// Close implements JournalWriter.
func (w *dirJournal) Close() error {
	close(w.stop)
	w.renewing.Wait()
	err := w.guard.exclusive(shortPatience, func() error {
		if err := w.mine(); err != nil {
			return nil //nolint:nilerr // another's by now, which is not to be given back
		}
		return w.guard.file.Truncate(0)
	})
	// Closing gives the kernel locks back.
	return errors.Join(err, w.file.Close(), w.guard.file.Close())
}

// HoldFile takes the kernel's lock on an open file, which is given back when the file is closed or the process ends. It tells
// whether it got it; it does not wait.
func HoldFile(f *os.File) (bool, error) { return tryLock(f) }
