package execute

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// JournalFile and LockFile are the names of the journal and of its lock inside the state directory.
const (
	JournalFile = "journal.jsonl"
	LockFile    = "journal.lock"
)

// JournalOptions are the options of OpenJournal.
type JournalOptions struct {
	Holder string           // who writes, for others that find the lock: user, host and command
	Now    func() time.Time // default time.Now
	// BeforeRecord and OnRecord, when set, are called before each record is written and after it is on disk. After an error
	// of theirs nothing more is written: tests so stop the program at every record, on either side of it.
	BeforeRecord, OnRecord func(Record) error
}

// Journal is the append-only record of every step's intent and outcome. Only one process can have it open.
type Journal struct {
	mu      sync.Mutex
	dir     string
	file    *os.File
	lock    *fileLock
	size    int64
	last    string
	records []Record
	broken  error
	options JournalOptions
}

// OpenJournal opens the journal of a state directory for writing, making it if need be. It takes the lock, checks every
// record, and cuts off a torn last line. A LockedError names who has it open; a DamageError names the damaged line.
func OpenJournal(dir string, o JournalOptions) (*Journal, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, LockFile), o.Holder, o.Now())
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, lock: lock, last: firstPrev, options: o}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// ReadJournal reads the records without a lock and without changing anything: for status and reports, also while another process writes.
// With a DamageError come the records before the damage.
func ReadJournal(dir string) ([]Record, error) {
	data, err := os.ReadFile(filepath.Join(dir, JournalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	records, _, err := decodeJournal(data)
	return records, err
}

func (j *Journal) load() error {
	path := filepath.Join(j.dir, JournalFile)
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	j.file = f
	if errors.Is(missing, fs.ErrNotExist) {
		if err := syncDir(j.dir); err != nil {
			return fmt.Errorf("open journal: %w", err)
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	records, good, err := decodeJournal(data)
	if err != nil {
		return err
	}
	if good < len(data) {
		if err := j.cut(int64(good)); err != nil {
			return fmt.Errorf("heal the journal's torn last line: %w", err)
		}
	}
	j.records, j.size = records, int64(good)
	if len(records) > 0 {
		j.last = records[len(records)-1].Hash
	}
	return nil
}

func (j *Journal) cut(size int64) error {
	if err := j.file.Truncate(size); err != nil {
		return err
	}
	return j.file.Sync()
}

// Append completes the record (sequence number, time, hashes), writes it and syncs it to disk before it returns. After
// a failed write the file is as it was before.
func (j *Journal) Append(r Record) (Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return r, j.broken
	}
	r.Seq, r.Prev = int64(len(j.records)+1), j.last
	if r.Time.IsZero() {
		r.Time = j.options.Now()
	}
	r.Time = r.Time.UTC().Round(0)
	if err := r.normalize(); err != nil {
		return r, err
	}
	sum, err := r.sum()
	if err != nil {
		return r, err
	}
	r.Hash = sum
	line, err := r.encode()
	if err != nil {
		return r, err
	}
	if err := j.call(j.options.BeforeRecord, r); err != nil {
		return r, err
	}
	if err := j.write(line); err != nil {
		return r, err
	}
	j.records, j.last = append(j.records, r), r.Hash
	return r, j.call(j.options.OnRecord, r)
}

func (j *Journal) call(hook func(Record) error, r Record) error {
	if hook == nil {
		return nil
	}
	if err := hook(r); err != nil {
		j.broken = fmt.Errorf("journal: stopped: %w", err)
		return j.broken
	}
	return nil
}

func (j *Journal) write(line []byte) error {
	_, err := j.file.WriteAt(line, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		err = fmt.Errorf("write journal %s: %w; nothing is changed without a journal: free the disk or repair the directory, then run again", j.file.Name(), err)
		if cut := j.cut(j.size); cut != nil {
			j.broken = err
		}
		return err
	}
	j.size += int64(len(line))
	return nil
}

// Records are all records so far. The slice must not be changed.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.records)
}

// Close gives the lock back.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	if j.file != nil {
		errs = append(errs, j.file.Close())
		j.file = nil
	}
	j.broken = errors.New("journal: it is closed")
	if j.lock != nil {
		errs = append(errs, j.lock.release())
		j.lock = nil
	}
	return errors.Join(errs...)
}
