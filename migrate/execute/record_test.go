package execute

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// slowStore is a directory whose first write takes as long as a test wants.
type slowStore struct {
	*DirStore
	writes  atomic.Int64
	proceed chan struct{}
}

func (s *slowStore) Lock(ctx context.Context, r LockRequest) (JournalWriter, error) {
	w, err := s.DirStore.Lock(ctx, r)
	return &slowWriter{JournalWriter: w, store: s}, err
}

type slowWriter struct {
	JournalWriter
	store *slowStore
}

func (w *slowWriter) Append(ctx context.Context, at int64, lines []byte) error {
	if w.store.writes.Add(1) == 1 {
		<-w.store.proceed
	}
	return w.JournalWriter.Append(ctx, at, lines)
}

func testExecutor(tb testing.TB, store Store) *Executor {
	tb.Helper()
	j, err := OpenJournalIn(context.Background(), store, JournalOptions{Holder: "ada@host"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := j.Close(); err != nil {
			tb.Error(err)
		}
	})
	e := &Executor{Journal: j, Plan: &plan.Plan{}}
	if err := e.open(); err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestRecordsOfUnitsSideBySideShareASync lets one unit's record be slow on its way to the disk. Those of all others that come
// meanwhile are written together, and each unit sees its own in the folded state when it is told that it is there.
func TestRecordsOfUnitsSideBySideShareASync(t *testing.T) {
	const units = 20
	store := &slowStore{DirStore: NewDirStore(t.TempDir()), proceed: make(chan struct{})}
	e := testExecutor(t, store)
	var wg sync.WaitGroup
	for i := range units {
		wg.Go(func() {
			unit := fmt.Sprint("unit-", i)
			if err := e.record(Record{Unit: unit, Step: "step", Phase: PhaseDone}); err != nil {
				t.Error(err)
			}
			if p := e.step(unit, "step"); p.done == nil || p.done.Unit != unit {
				t.Errorf("%s does not see its own record: %+v", unit, p)
			}
		})
	}
	waiting := func() int {
		e.Journal.mu.Lock()
		defer e.Journal.mu.Unlock()
		return len(e.Journal.queue)
	}
	for end := time.Now().Add(10 * time.Second); waiting() < units-1 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if look(e, func(f *fold) int { return f.records }) != 0 {
			t.Fatal("a record is folded in before it is on disk")
		}
	}
	close(store.proceed)
	wg.Wait()
	if n := store.writes.Load(); n > 2 {
		t.Errorf("%d records took %d writes, want the first alone and then the rest together", units, n)
	}
	if n := look(e, func(f *fold) int { return f.records }); n != units {
		t.Errorf("%d records are folded in, want each of %d once", n, units)
	}
}

// BenchmarkRecord measures what the journal costs an apply for each record: written, synced and folded in, by units that run side by side.
func BenchmarkRecord(b *testing.B) {
	for _, units := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("units=%d", units), func(b *testing.B) {
			e := testExecutor(b, NewDirStore(b.TempDir()))
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range units {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := e.record(benchRecord(int(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
