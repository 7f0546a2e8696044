package azblob

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// holderKey is the metadata of the journal's blob that names who holds its lease.
const holderKey = "unsecretlock"

// writer is a journal whose lease is held.
//
// Two things keep a process out whose lease has gone: the service refuses a write to the leased blob, the journal's first
// segment, without the lease; and each write to any segment names the position it expects, which is another one once
// whoever took the lease has journaled that, which is the first thing done with it.
type writer struct {
	store *Store
	lease *lease.BlobClient
	id    string
	taken *execute.TakenLock

	stop     chan struct{}
	renewing sync.WaitGroup
	mu       sync.Mutex // for the two below
	renewed  time.Time  // when the last renewal was asked for that succeeded
	lost     error

	// Where the next line goes; used by one goroutine at a time.
	segment int
	before  int64 // length of the segments before
	blocks  int   // appends that the segment has taken; -1: not known
}

// Lock implements execute.Store: it takes the lease of the journal's blob.
func (s *Store) Lock(ctx context.Context, r execute.LockRequest) (execute.JournalWriter, error) {
	if err := s.create(ctx, 1); err != nil {
		return nil, err
	}
	holder, state, err := s.holder(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, id: uuid.NewString(), stop: make(chan struct{}), segment: 1, blocks: -1}
	if w.lease, err = s.leaseClient(w.id); err != nil {
		return nil, err
	}
	if r.Break && state == lease.StateTypeLeased {
		_, err := w.lease.BreakLease(ctx, &lease.BlobBreakOptions{BreakPeriod: to.Ptr(int32(0))})
		if err != nil {
			return nil, s.failed("break the lease of", segment(1), err)
		}
		w.taken = &execute.TakenLock{LockHolder: holder, Broken: true}
	} else if state == lease.StateTypeExpired && holder != (execute.LockHolder{}) {
		w.taken = &execute.TakenLock{LockHolder: holder}
	}
	if err := w.acquire(ctx, holder); err != nil {
		return nil, err
	}
	if err := w.sign(ctx, r); err != nil {
		return nil, errors.Join(err, w.release(ctx))
	}
	w.renewing.Go(func() {
		defer crash.Report()
		w.renew()
	})
	return w, nil
}

func (s *Store) leaseClient(id string) (*lease.BlobClient, error) {
	c, err := s.blob(segment(1))
	if err != nil {
		return nil, err
	}
	return lease.NewBlobClient(c, &lease.BlobClientOptions{LeaseID: &id})
}

// create makes a segment if it is not there.
func (s *Store) create(ctx context.Context, n int) error {
	c, err := s.append(segment(n))
	if err != nil {
		return err
	}
	_, err = c.Create(transport.WithIdempotent(ctx), &appendblob.CreateOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}})
	if err != nil {
		err = s.failed("make", segment(n), err)
		switch code(err) {
		case bloberror.BlobAlreadyExists, bloberror.LeaseIDMissing, bloberror.ConditionNotMet:
			return nil
		}
	}
	return err
}

// holder reads who holds the lease, or held it last, and what state it is in.
func (s *Store) holder(ctx context.Context) (execute.LockHolder, lease.StateType, error) {
	var h execute.LockHolder
	c, err := s.blob(segment(1))
	if err != nil {
		return h, "", err
	}
	p, err := c.GetProperties(ctx, nil)
	if err != nil {
		return h, "", s.failed("read", segment(1), err)
	}
	for key, value := range p.Metadata {
		if strings.EqualFold(key, holderKey) && value != nil {
			if text, err := base64.RawURLEncoding.DecodeString(*value); err == nil && json.Unmarshal(text, &h) != nil {
				h = execute.LockHolder{}
			}
		}
	}
	if p.LeaseState == nil {
		return h, "", fmt.Errorf("read %s: the answer does not tell the state of its lease", s.Place(segment(1)))
	}
	return h, *p.LeaseState, nil
}

// acquire takes the lease. The identifier is ours, so asking again after a lost answer gives the same lease.
func (w *writer) acquire(ctx context.Context, holder execute.LockHolder) error {
	start := time.Now()
	_, err := w.lease.AcquireLease(transport.WithIdempotent(ctx), int32(w.store.leaseTime.Seconds()), nil)
	if err != nil {
		err = w.store.failed("lock", segment(1), err)
		if leaseGone(err) {
			return &execute.LockedError{Path: w.store.Place(""), LockHolder: holder}
		}
		return err
	}
	w.renewed = start
	return nil
}

// sign writes who holds the lease, for others that find it.
func (w *writer) sign(ctx context.Context, r execute.LockRequest) error {
	host, _ := os.Hostname()
	text, err := json.Marshal(execute.LockHolder{Holder: r.Holder, PID: os.Getpid(), Host: host, Since: r.Now.UTC().Round(0)})
	if err != nil {
		return err
	}
	return w.metadata(ctx, map[string]*string{holderKey: to.Ptr(base64.RawURLEncoding.EncodeToString(text))})
}

func (w *writer) metadata(ctx context.Context, m map[string]*string) error {
	c, err := w.store.blob(segment(1))
	if err != nil {
		return err
	}
	if _, err = c.SetMetadata(transport.WithIdempotent(ctx), m, &blob.SetMetadataOptions{AccessConditions: w.condition(1)}); err != nil {
		return w.store.failed("write the metadata of", segment(1), err)
	}
	return nil
}

// condition is that of a write to a segment: the first needs the lease.
func (w *writer) condition(n int) *blob.AccessConditions {
	if n != 1 {
		return nil
	}
	return &blob.AccessConditions{LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: &w.id}}
}

// renew extends the lease until the journal is closed or the lease is gone.
func (w *writer) renew() {
	t := time.NewTicker(w.store.leaseTime / 4)
	defer t.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
			if errors.Is(w.extend(), execute.ErrLockLost) {
				return
			}
		}
	}
}

// extend renews the lease now.
func (w *writer) extend() error {
	ctx, cancel := context.WithTimeout(context.Background(), w.store.leaseTime/4)
	defer cancel()
	start := time.Now()
	_, err := w.lease.RenewLease(transport.WithIdempotent(ctx), nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.renewed = start
		return nil
	}
	err = w.store.failed("renew the lease of", segment(1), err)
	if leaseGone(err) {
		w.lost = fmt.Errorf("%w: %w; nothing more is written", execute.ErrLockLost, err)
		return w.lost
	}
	return err
}

// held checks, by this machine's clock, that the lease is ours for some seconds yet, and renews it where it is not.
func (w *writer) held() error {
	w.mu.Lock()
	lost, left := w.lost, w.store.leaseTime-time.Since(w.renewed)
	w.mu.Unlock()
	if lost != nil || left > w.store.leaseTime/4 {
		return lost
	}
	if err := w.extend(); err != nil && (left <= 0 || errors.Is(err, execute.ErrLockLost)) {
		return err
	}
	return nil
}

// TakenOver implements execute.JournalWriter.
func (w *writer) TakenOver() *execute.TakenLock { return w.taken }

// Read implements execute.JournalWriter.
func (w *writer) Read(ctx context.Context) ([]byte, error) {
	content, sizes, err := w.store.readSegments(ctx)
	if err != nil {
		return nil, err
	}
	w.segment, w.before, w.blocks = max(1, len(sizes)), 0, -1
	for _, n := range sizes[:w.segment-1] {
		w.before += n
	}
	return content, nil
}

// Append implements execute.JournalWriter. The blocks of an append blob are whole or not there, and each names the
// position where it must come to lie, so that sending one again after a lost answer adds nothing.
func (w *writer) Append(ctx context.Context, at int64, lines []byte) error {
	if err := w.held(); err != nil {
		return err
	}
	if w.blocks >= w.store.maxBlocks {
		if err := w.roll(ctx, at); err != nil {
			return err
		}
	}
	blocks, err := w.put(ctx, at-w.before, lines)
	if code(err) == bloberror.BlockCountExceedsLimit {
		if err := w.roll(ctx, at); err != nil {
			return err
		}
		blocks, err = w.put(ctx, at-w.before, lines)
	}
	switch {
	case err == nil:
		w.blocks = blocks
		return nil
	case leaseGone(err):
		return fmt.Errorf("%w: %w; nothing more is written", execute.ErrLockLost, err)
	case errors.Is(err, execute.ErrConflict), errors.Is(err, execute.ErrUnknownOutcome):
		return w.landed(ctx, at-w.before, lines, err)
	}
	return err
}

// put sends one block and gives how many the segment has then.
func (w *writer) put(ctx context.Context, position int64, lines []byte) (int, error) {
	c, err := w.store.append(segment(w.segment))
	if err != nil {
		return 0, err
	}
	r, err := c.AppendBlock(transport.WithIdempotent(ctx), streaming.NopCloser(bytes.NewReader(lines)), &appendblob.AppendBlockOptions{
		AccessConditions:               w.condition(w.segment),
		AppendPositionAccessConditions: &appendblob.AppendPositionAccessConditions{AppendPosition: &position},
	})
	if err != nil {
		return 0, w.store.failed("append to", segment(w.segment), err)
	}
	if r.BlobCommittedBlockCount == nil {
		return -1, nil
	}
	return int(*r.BlobCommittedBlockCount), nil
}

// landed finds out, after an answer was lost, whether the block is there. Where it is not it may still be on its way.
func (w *writer) landed(ctx context.Context, position int64, lines []byte, cause error) error {
	there, _, err := w.store.Load(ctx, segment(w.segment))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w; then it could not be read back: %w", execute.ErrUnknownOutcome, cause, err)
	case int64(len(there)) > position && bytes.Equal(there[position:], lines):
		w.blocks = -1
		return nil
	case int64(len(there)) > position:
		return fmt.Errorf("%w: another process has written to %s; nothing more is written", execute.ErrLockLost, w.store.Place(segment(w.segment)))
	}
	return cause
}

// roll begins the next segment.
func (w *writer) roll(ctx context.Context, at int64) error {
	if err := w.store.create(ctx, w.segment+1); err != nil {
		return err
	}
	w.segment, w.before, w.blocks = w.segment+1, at, 0
	return nil
}

// Cut implements execute.JournalWriter. No crash leaves part of a block behind, and nothing can be taken from an append blob.
func (w *writer) Cut(context.Context, int64) error {
	return fmt.Errorf("the last line of %s is cut short, which no crash does in Azure Blob Storage: it was changed by something else; "+
		"restore it from a backup, or keep it as evidence and start with a new prefix and a new scan", w.store.Place(segment(w.segment)))
}

// Close implements execute.JournalWriter.
func (w *writer) Close() error {
	close(w.stop)
	w.renewing.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), execute.LeaseTime)
	defer cancel()
	if w.lost != nil {
		return nil
	}
	if err := w.metadata(ctx, nil); leaseGone(err) {
		return nil // another's by now
	}
	return w.release(ctx)
}

func (w *writer) release(ctx context.Context) error {
	if _, err := w.lease.ReleaseLease(transport.WithIdempotent(ctx), nil); err != nil {
		if err = w.store.failed("unlock", segment(1), err); !leaseGone(err) {
			return err
		}
	}
	return nil
}
