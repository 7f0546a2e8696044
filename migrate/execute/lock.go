package execute

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// fileLock is held by the one process that writes the journal. The operating system gives it back when the process ends, however
// it ends, so that a killed program leaves no lock behind; the file's text only names the holder.
type fileLock struct{ file *os.File }

// lockHolder is the text of a lock file.
type lockHolder struct {
	Holder string    `json:"holder"`
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
}

// LockedError tells that another process has the journal open.
type LockedError struct {
	Path   string
	Holder string
	PID    int
	Since  time.Time
}

// Error names the holder and what to do.
func (e *LockedError) Error() string {
	who := e.Holder
	if who == "" {
		who = "another process"
	}
	return fmt.Sprintf("the journal is in use by %s (process %d) since %s: wait until it ends, or stop it (it leaves the journal in order)",
		who, e.PID, e.Since.UTC().Format(time.RFC3339))
}

func takeLock(path, holder string, now time.Time) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	held, err := tryLock(f)
	if err != nil || !held {
		defer func() { _ = f.Close() }()
		if err != nil {
			return nil, fmt.Errorf("lock journal %s: %w", path, err)
		}
		return nil, lockedBy(f, path)
	}
	l := &fileLock{file: f}
	text, err := json.Marshal(lockHolder{Holder: holder, PID: os.Getpid(), Since: now.UTC().Round(0)})
	if err == nil {
		err = l.write(text)
	}
	if err != nil {
		_ = l.release()
		return nil, fmt.Errorf("lock journal %s: %w", path, err)
	}
	return l, nil
}

func (l *fileLock) write(text []byte) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(append(text, '\n'), 0)
	return err
}

func (l *fileLock) release() error {
	err := l.file.Truncate(0)
	if e := unlock(l.file); err == nil {
		err = e
	}
	if e := l.file.Close(); err == nil {
		err = e
	}
	return err
}

func lockedBy(f *os.File, path string) error {
	e := &LockedError{Path: path}
	var h lockHolder
	if text, err := io.ReadAll(io.LimitReader(f, 4096)); err == nil && json.Unmarshal(text, &h) == nil {
		e.Holder, e.PID, e.Since = h.Holder, h.PID, h.Since
	}
	return e
}
