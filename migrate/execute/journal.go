package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// JournalOptions are the options of OpenJournal.
type JournalOptions struct {
	Holder string           // who writes, for others that find the lock: user, host and command
	Now    func() time.Time // default time.Now
	// Wait is how long to wait for another process that has the journal open; Waiting, when set, is told once for whom.
	Wait    time.Duration
	Waiting func(*LockedError)
	// Break takes the lock from whoever holds it, which is journaled.
	Break bool
	// BeforeRecord and OnRecord, when set, are called before each record is written and after it is on disk. After an error
	// of theirs nothing more is written: tests so stop the program at every record, on either side of it.
	BeforeRecord, OnRecord func(Record) error
}

// Journal is the append-only record of every step's intent and outcome. Only one process can have it open.
type Journal struct {
	store   Store
	options JournalOptions

	commit sync.Mutex // held while records are written; whoever gets it writes for all that wait
	writer JournalWriter
	size   int64

	mu      sync.Mutex
	queue   []*entry
	last    string
	records []Record
	broken  error
}

// entry is a record on its way to the journal.
type entry struct {
	record Record
	line   []byte
	err    error
	done   bool // under commit
}

// maxBatch bounds how many records share one write: far more than the units that run in parallel.
const maxBatch = 256

// LockStep is the step of the records that tell of a lock that was taken over or broken.
const LockStep = "journal/lock"

// OpenJournal opens the journal of a state directory for writing; see OpenJournalIn.
func OpenJournal(dir string, o JournalOptions) (*Journal, error) {
	return OpenJournalIn(context.Background(), NewDirStore(dir), o)
}

// OpenJournalIn opens the journal of a state for writing, making it if need be. It takes the lock, checks every
// record, and cuts off a torn last line. A LockedError names who has it open; a DamageError names the damaged line.
// The context ends the wait for the lock and the opening; what is written later is not interrupted.
func OpenJournalIn(ctx context.Context, store Store, o JournalOptions) (*Journal, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	w, err := waitForLock(ctx, store, o)
	if err != nil {
		return nil, err
	}
	j := &Journal{store: store, writer: w, last: firstPrev, options: o}
	if err := j.load(ctx); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	if err := j.noteTaken(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// waitForLock takes the lock, and while another has it asks again until the wait is over.
func waitForLock(ctx context.Context, store Store, o JournalOptions) (JournalWriter, error) {
	pause := 100 * time.Millisecond
	for end := time.Now().Add(o.Wait); ; pause = min(pause*3/2, 5*time.Second) {
		w, err := store.Lock(ctx, LockRequest{Holder: o.Holder, Now: o.Now(), Break: o.Break})
		var locked *LockedError
		if !errors.As(err, &locked) || time.Until(end) <= 0 {
			return w, err
		}
		if o.Waiting != nil {
			o.Waiting(locked)
			o.Waiting = nil
		}
		t := time.NewTimer(min(pause, time.Until(end)))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("%w while waiting: %w", ctx.Err(), err)
		case <-t.C:
		}
	}
}

// ReadJournal reads the records of a state directory; see ReadJournalIn.
func ReadJournal(dir string) ([]Record, error) {
	return ReadJournalIn(context.Background(), NewDirStore(dir))
}

// ReadJournalIn reads the records without a lock and without changing anything: for status and reports, also while another process writes.
// With a DamageError come the records before the damage.
func ReadJournalIn(ctx context.Context, store Store) ([]Record, error) {
	c, err := CheckJournal(ctx, store)
	if err == nil && c.Damage != nil {
		err = c.Damage
	}
	return c.Records, err
}

func (j *Journal) load(ctx context.Context) error {
	data, err := j.writer.Read(ctx)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	records, good, err := decodeJournal(data)
	if err != nil {
		return err
	}
	if good < len(data) {
		if err := j.writer.Cut(ctx, int64(good)); err != nil {
			return fmt.Errorf("heal the journal's torn last line: %w", err)
		}
	}
	j.records, j.size = records, int64(good)
	if len(records) > 0 {
		j.last = records[len(records)-1].Hash
	}
	return nil
}

// noteTaken journals that the lock was taken from another. In a state that several machines share it is also what makes a write
// of the other's fail that is still under way.
func (j *Journal) noteTaken() error {
	taken := j.writer.TakenOver()
	if taken == nil {
		return nil
	}
	how := "it had expired"
	if taken.Broken {
		how = "broken by command"
	}
	_, err := j.Append(Record{Step: LockStep, Phase: PhaseObserved, Actor: j.options.Holder,
		Before: State{"holder": taken.Holder, "pid": fmt.Sprint(taken.PID), "host": taken.Host, "since": taken.Since.UTC().Format(time.RFC3339)},
		Note:   fmt.Sprintf("took the lock of %s: %s", taken.LockHolder, how)})
	return err
}

// TakenOver tells from whom the lock was taken when the journal was opened; nil if it was free.
func (j *Journal) TakenOver() *TakenLock { return j.writer.TakenOver() }

// Append completes the record (sequence number, time, hashes), writes it and syncs it to disk before it returns. After
// a failed write the file is as it was before. Records that are appended at the same time share one sync.
func (j *Journal) Append(r Record) (Record, error) {
	e := &entry{record: r}
	j.mu.Lock()
	j.queue = append(j.queue, e)
	j.mu.Unlock()

	j.commit.Lock()
	defer j.commit.Unlock()
	for !e.done {
		j.flush()
	}
	return e.record, e.err
}

// flush writes what waits. commit is held.
func (j *Journal) flush() {
	limit := maxBatch
	if j.options.BeforeRecord != nil || j.options.OnRecord != nil {
		limit = 1
	}
	j.mu.Lock()
	n := min(limit, len(j.queue))
	batch := slices.Clone(j.queue[:n])
	j.queue = slices.Delete(j.queue, 0, n)
	j.mu.Unlock()

	ready, text := j.prepare(batch)
	if len(ready) == 0 {
		return
	}
	if err := j.write(text); err != nil {
		for _, e := range ready {
			e.err = err
		}
		return
	}
	j.mu.Lock()
	for _, e := range ready {
		j.records, j.last = append(j.records, e.record), e.record.Hash
	}
	j.mu.Unlock()
	for _, e := range ready {
		e.err = j.call(j.options.OnRecord, e.record)
	}
}

// prepare numbers and chains the records of a batch. Those that cannot be written have their error.
func (j *Journal) prepare(batch []*entry) (ready []*entry, text []byte) {
	seq, prev := int64(len(j.records)), j.last
	for _, e := range batch {
		e.done = true
		if e.err = j.broken; e.err != nil {
			continue
		}
		e.record.Seq, e.record.Prev = seq+1, prev
		if e.record.Time.IsZero() {
			e.record.Time = j.options.Now()
		}
		e.record.Time = e.record.Time.UTC().Round(0)
		if e.err = e.record.seal(&e.line); e.err != nil {
			continue
		}
		if e.err = j.call(j.options.BeforeRecord, e.record); e.err != nil {
			continue
		}
		seq, prev = e.record.Seq, e.record.Hash
		ready, text = append(ready, e), append(text, e.line...)
	}
	return ready, text
}

// call calls a hook, and writes nothing more after it refuses.
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

func (j *Journal) write(text []byte) error {
	err := j.writer.Append(context.Background(), j.size, text)
	switch {
	case err == nil:
		j.size += int64(len(text))
		return nil
	case errors.Is(err, ErrLockLost):
		j.broken = fmt.Errorf("journal %s: %w", j.store.Place(JournalFile), err)
		return j.broken
	}
	err = fmt.Errorf("write journal %s: %w; nothing is changed without a journal: free the disk or repair the state, then run again", j.store.Place(JournalFile), err)
	if errors.Is(err, ErrUnknownOutcome) {
		j.broken = err
	}
	return err
}

// Records are all records so far. The slice must not be changed.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.records)
}

// Close gives the lock back.
func (j *Journal) Close() error {
	j.commit.Lock()
	defer j.commit.Unlock()
	if errors.Is(j.broken, errClosed) {
		return nil
	}
	j.broken = errClosed
	return j.writer.Close()
}

var errClosed = errors.New("journal: it is closed")
