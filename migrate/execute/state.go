package execute

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Version names one content of a document of the state.
type Version string

// What Save may be told instead of the version that is to be replaced.
const (
	AnyVersion Version = ""     // whatever is there
	NoVersion  Version = "none" // nothing is there yet
)

// Store keeps a state: the documents (inventory, plan), the journal and its lock. It knows nothing of what they mean.
// Two stores of the same place, in one process or in two, keep each other from overwriting.
type Store interface {
	// Place names a document, or with "" the state as a whole, as a person would look for it: a path or an address.
	Place(name string) string
	// Load gives a document and its version; an error that is fs.ErrNotExist where there is none.
	Load(ctx context.Context, name string) ([]byte, Version, error)
	// Save replaces a document as a whole or not at all. ErrConflict: it is not at that version any more.
	Save(ctx context.Context, name string, content []byte, at Version) (Version, error)
	// ReadJournal gives the journal's bytes without the lock, also while another process writes; none where there is no journal.
	ReadJournal(ctx context.Context) ([]byte, error)
	// Lock takes the lock that writing the journal needs. LockedError: another has it.
	Lock(ctx context.Context, r LockRequest) (JournalWriter, error)
}

// LockRequest says who wants the lock.
type LockRequest struct {
	Holder string    // user, host and command, for others that find the lock
	Now    time.Time // when
	Break  bool      // take it from whoever holds it
}

// JournalWriter is a journal whose lock is held. The lock is a lease: it is renewed while the process lives, and ends
// a short time after a process that does not.
type JournalWriter interface {
	// Read gives the journal's bytes.
	Read(ctx context.Context) ([]byte, error)
	// Append writes whole lines at the end, which must be at a length, and returns when they are durable. ErrLockLost: the lock is
	// another's by now, and nothing was written. ErrUnknownOutcome: they may have been written. After any other error nothing was written.
	Append(ctx context.Context, at int64, lines []byte) error
	// Cut takes a torn last line away, from a length on.
	Cut(ctx context.Context, size int64) error
	// TakenOver tells from whom the lock was taken that had not given it back, and why that was right; nil if it was free.
	TakenOver() *TakenLock
	// Close gives the lock back.
	Close() error
}

// LockHolder is who has the lock.
type LockHolder struct {
	Holder string    `json:"holder"`
	PID    int       `json:"pid"`
	Host   string    `json:"host,omitempty"`
	Since  time.Time `json:"since"`
}

func (h LockHolder) String() string {
	who := h.Holder
	if who == "" {
		who = "another process"
	}
	return fmt.Sprintf("%s (process %d) since %s", who, h.PID, h.Since.UTC().Format(time.RFC3339))
}

// TakenLock is a lock that was taken from its holder.
type TakenLock struct {
	LockHolder
	Broken bool // by command; else it had expired
}

// LeaseTime is how long a lock is held without being renewed; it is renewed four times in that time. It is the longest that a
// lease of Azure Blob Storage may last (Microsoft Learn: Lease Blob, 15 to 60 seconds).
const LeaseTime = time.Minute

// ErrLockLost is returned where the lock was taken over or broken while this process had it: it may write nothing more.
var ErrLockLost = errors.New("the journal's lock is not this process's any more")

// LockedError tells that another process has the journal open.
type LockedError struct {
	Path string // the store
	LockHolder
	Until time.Time // the lock ends then, unless it is renewed; zero: not known
}

// Error names the holder and what to do.
func (e *LockedError) Error() string {
	return fmt.Sprintf("the journal is in use by %s: wait until it ends, or stop it (it leaves the journal in order); --wait 5m waits for it; "+
		"if it is gone, its lock ends within %d seconds, or is broken with `unsecret journal unlock`", e.LockHolder, int(LeaseTime.Seconds()))
}
