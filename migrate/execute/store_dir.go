package execute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/unsecret-dev/unsecret/internal/crash"
)

// JournalFile and LockFile are the names of the journal and of its lock inside the state directory.
const (
	JournalFile = "journal.jsonl"
	LockFile    = "journal.lock"
)

// DirStore keeps a state in a directory, readable by its owner alone.
type DirStore struct{ dir string }

// NewDirStore gives the state of a directory. The directory is made by the first write.
func NewDirStore(dir string) *DirStore { return &DirStore{dir: dir} }

// Place implements Store.
func (s *DirStore) Place(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// Load implements Store. The version is a hash of the content.
func (s *DirStore) Load(_ context.Context, name string) ([]byte, Version, error) {
	content, err := readRegular(s.Place(name))
	if err != nil {
		return nil, "", err
	}
	return content, versionOf(content), nil
}

// readRegular reads a file that is one: a named pipe would keep the program waiting for ever.
func readRegular(path string) ([]byte, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// regular refuses what is there and is no file. Links are followed: what they lead to counts.
func regular(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		return nil
	}
	return fmt.Errorf("%s is %s, not a file: move it away, or choose another state with --state", path, kindOf(info.Mode()))
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

func versionOf(content []byte) Version {
	h := sha256.Sum256(content)
	return Version(hex.EncodeToString(h[:]))
}

// Save implements Store: a crash or a full disk leaves the old document.
func (s *DirStore) Save(ctx context.Context, name string, content []byte, at Version) (Version, error) {
	return s.SaveFrom(ctx, name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}, at)
}

// SaveFrom is Save for a document that is written piece by piece, so that it is never in memory as a whole.
func (s *DirStore) SaveFrom(ctx context.Context, name string, write func(io.Writer) error, at Version) (v Version, err error) {
	if err := s.make(); err != nil {
		return "", err
	}
	guard, err := s.openLock()
	if err != nil {
		return "", err
	}
	err = guard.exclusive(shortPatience, func() error {
		if err := s.still(ctx, name, at); err != nil {
			return err
		}
		if err := s.makeFolder(name); err != nil {
			return err
		}
		v, err = replaceFile(s.Place(name), write)
		return err
	})
	return v, errors.Join(err, guard.file.Close())
}

// still checks that a document is at a version.
func (s *DirStore) still(ctx context.Context, name string, at Version) error {
	if at == AnyVersion {
		return nil
	}
	_, now, err := s.Load(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		now, err = NoVersion, nil
	}
	if err == nil && now != at {
		err = fmt.Errorf("%s was changed by another process meanwhile: %w", s.Place(name), ErrConflict)
	}
	return err
}

func (s *DirStore) make() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w; choose another with --state", err)
	}
	return nil
}

// makeFolder makes the folder of a document that is in one.
func (s *DirStore) makeFolder(name string) error {
	folder := filepath.Dir(s.Place(name))
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// replaceFile replaces a file atomically and durably, with mode 0600, and gives its version.
func replaceFile(name string, write func(io.Writer) error) (v Version, err error) {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".unsecret-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	h := sha256.New()
	if err = write(io.MultiWriter(tmp, h)); err != nil {
		return "", err
	}
	if err = tmp.Sync(); err != nil {
		return "", err
	}
	if err = tmp.Close(); err != nil {
		return "", err
	}
	if err = os.Rename(tmp.Name(), name); err != nil {
		return "", err
	}
	return Version(hex.EncodeToString(h.Sum(nil))), syncDir(filepath.Dir(name))
}

// ReadJournal implements Store.
func (s *DirStore) ReadJournal(context.Context) ([]byte, error) {
	content, err := readRegular(s.Place(JournalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

// Lock implements Store.
func (s *DirStore) Lock(_ context.Context, r LockRequest) (JournalWriter, error) {
	if err := s.make(); err != nil {
		return nil, err
	}
	guard, err := s.openLock()
	if err != nil {
		return nil, err
	}
	file, err := s.openJournal()
	if err != nil {
		return nil, errors.Join(err, guard.file.Close())
	}
	w := &dirJournal{guard: guard, file: file, stop: make(chan struct{})}
	if err := guard.exclusive(shortPatience, func() error { return w.take(r) }); err != nil {
		return nil, errors.Join(err, file.Close(), guard.file.Close())
	}
	w.renewing.Go(func() {
		defer crash.Report()
		w.renew()
	})
	return w, nil
}

func (s *DirStore) openJournal() (*os.File, error) {
	path := s.Place(JournalFile)
	if err := regular(path); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w; nothing is changed without a journal", err)
	}
	if errors.Is(missing, fs.ErrNotExist) {
		if err := syncDir(s.dir); err != nil {
			return nil, errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
		}
	}
	return f, nil
}

// Read implements JournalWriter.
func (w *dirJournal) Read(context.Context) ([]byte, error) {
	info, err := w.file.Stat()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	_, err = b.ReadFrom(&reader{file: w.file})
	return b.Bytes(), err
}

// reader reads a file from its beginning, wherever else it is read or written.
type reader struct {
	file *os.File
	at   int64
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.file.ReadAt(b, r.at)
	r.at += int64(n)
	return n, err
}

// Append implements JournalWriter. The lock is checked and the lines are written while no other process can take it.
func (w *dirJournal) Append(_ context.Context, at int64, lines []byte) error {
	return w.guard.exclusive(longPatience, func() error {
		if err := w.mine(); err != nil {
			return err
		}
		_, err := w.file.WriteAt(lines, at)
		if err == nil {
			err = w.file.Sync()
		}
		if err != nil {
			if cut := w.cut(at); cut != nil {
				return fmt.Errorf("%w: %w; then it could not be cut back: %w", ErrUnknownOutcome, err, cut)
			}
		}
		return err
	})
}

// Cut implements JournalWriter.
func (w *dirJournal) Cut(_ context.Context, size int64) error {
	return w.guard.exclusive(longPatience, func() error {
		if err := w.mine(); err != nil {
			return err
		}
		return w.cut(size)
	})
}

func (w *dirJournal) cut(size int64) error {
	if err := w.file.Truncate(size); err != nil {
		return err
	}
	return w.file.Sync()
}
