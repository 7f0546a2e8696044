package azblob

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/unsecret-dev/unsecret/e2e/azurite"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// emulator is one Azurite for all tests of the package, each with a container of its own.
var emulator struct {
	once   sync.Once
	server *azurite.Server
	n      atomic.Int32
}

// base is the network with a place to interfere.
type base struct {
	http.RoundTripper
	before func(*http.Request) error                          // an error: the request is not sent
	after  func(*http.Request, *http.Response) *http.Response // nil: the answer is lost
}

func (b *base) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.before != nil {
		if err := b.before(r); err != nil {
			return nil, err
		}
	}
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil && b.after != nil {
		if answer = b.after(r, answer); answer == nil {
			return nil, errors.New("connection reset by peer")
		}
	}
	return answer, err
}

// world is an account with a container, and stores on it as of several machines.
type world struct {
	t         *testing.T
	server    *azurite.Server
	container string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	emulator.once.Do(func() {
		// The process outlives the test that starts it, so it is started for a test that never ends before TestMain does.
		emulator.server = startForPackage(t)
	})
	if emulator.server == nil {
		t.Skip("no Azurite")
	}
	w := &world{t: t, server: emulator.server, container: fmt.Sprintf("state-%d", emulator.n.Add(1))}
	w.server.MakeContainer(t, &http.Client{Transport: w.network()}, w.container)
	return w
}

func (w *world) network() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.server.Pool, MinVersion: tls.VersionTLS12}}
}

// store gives a store as a process of its own has it: through the transport, with a bearer token.
func (w *world) store(b *base) *Store {
	w.t.Helper()
	return w.storeWith(b, azurite.Token())
}

func (w *world) storeWith(b *base, token string) *Store {
	w.t.Helper()
	if b == nil {
		b = &base{}
	}
	b.RoundTripper = w.network()
	tr := transport.New(transport.Options{Base: b, Backoff: func(int) time.Duration { return time.Millisecond }})
	host, err := transport.Host(w.server.Endpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := tr.Client(transport.ClientOptions{Kind: "storage", Hosts: []string{host}, Token: transport.Static(token), XML: true})
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := ParseAddress("azblob://" + azurite.Account + "/" + w.container + "/teams/payments?endpoint=" + w.server.Endpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := New(Config{Address: a, URL: a.URL(""), HTTP: client})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) open(s *Store, o execute.JournalOptions) *execute.Journal {
	w.t.Helper()
	j, err := execute.OpenJournalIn(context.Background(), s, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = j.Close() })
	return j
}

func (w *world) put(j *execute.Journal, note string) {
	w.t.Helper()
	if _, err := j.Append(execute.Record{Unit: "u", Step: "s", Phase: execute.PhaseDone, Note: note}); err != nil {
		w.t.Fatal(err)
	}
}

// expire lets the lease of the journal end, as a minute would.
func (w *world) expire(s *Store) {
	w.t.Helper()
	c, err := s.leaseClient("")
	if err == nil {
		_, err = c.BreakLease(context.Background(), &lease.BlobBreakOptions{BreakPeriod: to.Ptr(int32(0))})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) notes(s *Store) string {
	w.t.Helper()
	records, err := execute.ReadJournalIn(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	var notes []string
	for _, r := range records {
		notes = append(notes, r.Note)
	}
	return strings.Join(notes, ",")
}

func TestADocumentIsReplacedOnlyAtTheVersionThatWasRead(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	a, b := w.store(nil), w.store(nil)
	if _, _, err := a.Load(ctx, "plan.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	v1, err := a.Save(ctx, "plan.json", []byte("one"), execute.NoVersion)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(ctx, "plan.json", []byte("another"), execute.NoVersion); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("a second first version: %v", err)
	}
	if _, err := b.Save(ctx, "plan.json", []byte("two"), v1); err != nil {
		t.Fatal(err)
	}
	_, err = a.Save(ctx, "plan.json", []byte("three"), v1)
	if !errors.Is(err, execute.ErrConflict) || !strings.Contains(err.Error(), "azblob://devstoreaccount1/"+w.container+"/teams/payments/plan.json") {
		t.Errorf("over what another has written: %v", err)
	}
	content, v2, err := a.Load(ctx, "plan.json")
	if err != nil || string(content) != "two" || v2 == v1 {
		t.Errorf("got %q at %q, %v", content, v2, err)
	}
	if _, err := a.Save(ctx, "plan.json", []byte("four"), execute.AnyVersion); err != nil {
		t.Error(err)
	}
}

func TestADocumentIsWrittenOnceAlsoWhenTheAnswerIsLost(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	lost := atomic.Int32{}
	s := w.store(&base{after: func(r *http.Request, answer *http.Response) *http.Response {
		if r.Method == http.MethodPut && lost.Add(1) == 1 {
			_ = answer.Body.Close()
			return nil
		}
		return answer
	}})
	v, err := s.Save(ctx, "plan.json", []byte("one"), execute.NoVersion)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, "plan.json", []byte("two"), v); err != nil {
		t.Error(err)
	}
}

func TestTheJournalIsReadBackByAnotherMachine(t *testing.T) {
	w := newWorld(t)
	s := w.store(nil)
	if got := w.notes(s); got != "" {
		t.Fatalf("a journal from nowhere: %s", got)
	}
	j := w.open(s, execute.JournalOptions{Holder: "ada"})
	w.put(j, "a")
	w.put(j, "b")
	// Read while it is written.
	if got := w.notes(w.store(nil)); got != "a,b" {
		t.Errorf("got %s", got)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = w.open(w.store(nil), execute.JournalOptions{Holder: "bob"})
	w.put(j, "c")
	if got := w.notes(s); got != "a,b,c" {
		t.Errorf("got %s", got)
	}
}

func TestASecondWriterIsRefusedByName(t *testing.T) {
	w := newWorld(t)
	first := w.open(w.store(nil), execute.JournalOptions{Holder: "ada@laptop, unsecret apply"})
	_, err := execute.OpenJournalIn(context.Background(), w.store(nil), execute.JournalOptions{Holder: "bob"})
	var locked *execute.LockedError
	if !errors.As(err, &locked) || locked.Holder != "ada@laptop, unsecret apply" || locked.Since.IsZero() {
		t.Fatalf("got %v", err)
	}
	// One that waits gets its turn.
	time.AfterFunc(300*time.Millisecond, func() { _ = first.Close() })
	told := 0
	w.open(w.store(nil), execute.JournalOptions{Holder: "bob", Wait: time.Minute, Waiting: func(*execute.LockedError) { told++ }})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestALostLeaseStopsWritingAtOnce(t *testing.T) {
	w := newWorld(t)
	s := w.store(nil)
	first := w.open(s, execute.JournalOptions{Holder: "ada"})
	w.put(first, "a")
	w.expire(w.store(nil))
	if _, err := first.Append(execute.Record{Phase: execute.PhaseIntent}); !errors.Is(err, execute.ErrLockLost) {
		t.Errorf("after the lease was lost: %v", err)
	}
	if _, err := first.Append(execute.Record{Phase: execute.PhaseIntent}); !errors.Is(err, execute.ErrLockLost) {
		t.Errorf("the second time: %v", err)
	}
	if got := w.notes(s); got != "a" {
		t.Errorf("got %s", got)
	}
}

func TestALeaseThatIsNotRenewedEndsAndIsTakenOver(t *testing.T) {
	if testing.Short() {
		t.Skip("the shortest lease is 15 seconds")
	}
	t.Parallel()
	w := newWorld(t)
	// One process renews its lease, another is cut off from the service.
	alive, cut := w.store(nil), atomic.Bool{}
	gone := w.store(&base{before: func(*http.Request) error {
		if cut.Load() {
			return errors.New("network is unreachable")
		}
		return nil
	}})
	alive.leaseTime, gone.leaseTime = 15*time.Second, 15*time.Second
	alive.address.Prefix = "alive"
	first, lost := w.open(alive, execute.JournalOptions{Holder: "eve"}), w.open(gone, execute.JournalOptions{Holder: "ada"})
	w.put(lost, "a")
	cut.Store(true)
	time.Sleep(17 * time.Second)
	var locked *execute.LockedError
	other := w.store(nil)
	other.address.Prefix = "alive"
	if _, err := execute.OpenJournalIn(context.Background(), other, execute.JournalOptions{}); !errors.As(err, &locked) || locked.Holder != "eve" {
		t.Errorf("a lease that is renewed: %v", err)
	}
	w.put(first, "a")
	second := w.open(w.store(nil), execute.JournalOptions{Holder: "bob"})
	if taken := second.TakenOver(); taken == nil || taken.Broken || taken.Holder != "ada" {
		t.Errorf("taken: %+v", taken)
	}
	cut.Store(false)
	if _, err := lost.Append(execute.Record{Phase: execute.PhaseIntent}); !errors.Is(err, execute.ErrLockLost) {
		t.Errorf("the one that was cut off: %v", err)
	}
	if got := w.notes(other); got != "a" {
		t.Errorf("got %s", got)
	}
	if got := w.notes(w.store(nil)); !strings.HasPrefix(got, "a,took the lock of ada (process ") || !strings.HasSuffix(got, "it had expired") {
		t.Errorf("got %s", got)
	}
}

func TestABrokenLockIsJournaledAndItsHolderWritesNothingMore(t *testing.T) {
	w := newWorld(t)
	s := w.store(nil)
	s.maxBlocks = 2 // also in a segment that the lease does not guard
	first := w.open(s, execute.JournalOptions{Holder: "ada"})
	for _, note := range []string{"a", "b", "c"} {
		w.put(first, note)
	}
	second := w.open(w.store(nil), execute.JournalOptions{Holder: "bob", Break: true})
	if taken := second.TakenOver(); taken == nil || !taken.Broken || taken.Holder != "ada" {
		t.Fatalf("taken: %v", taken)
	}
	if _, err := first.Append(execute.Record{Phase: execute.PhaseIntent, Note: "x"}); !errors.Is(err, execute.ErrLockLost) {
		t.Errorf("got %v", err)
	}
	w.put(second, "d")
	if got := w.notes(s); !strings.HasPrefix(got, "a,b,c,took the lock of ada (process ") || !strings.HasSuffix(got, "broken by command,d") {
		t.Errorf("got %s", got)
	}
}

func TestALostAnswerIsNoSecondRecord(t *testing.T) {
	w := newWorld(t)
	n := atomic.Int32{}
	s := w.store(&base{after: func(r *http.Request, answer *http.Response) *http.Response {
		if r.URL.Query().Get("comp") == "appendblock" && n.Add(1)%2 == 1 {
			_ = answer.Body.Close()
			return nil
		}
		return answer
	}})
	j := w.open(s, execute.JournalOptions{})
	for i := range 6 {
		w.put(j, fmt.Sprint(i))
	}
	if got := w.notes(s); got != "0,1,2,3,4,5" {
		t.Errorf("got %s", got)
	}
}

func TestAnUnknownOutcomeEndsTheWriting(t *testing.T) {
	w := newWorld(t)
	down := atomic.Bool{}
	s := w.store(&base{before: func(*http.Request) error {
		if down.Load() {
			return errors.New("network is unreachable")
		}
		return nil
	}})
	j := w.open(s, execute.JournalOptions{})
	w.put(j, "a")
	down.Store(true)
	if _, err := j.Append(execute.Record{Phase: execute.PhaseIntent}); err == nil {
		t.Error("no error without a network")
	}
	down.Store(false)
	if got := w.notes(s); got != "a" {
		t.Errorf("got %s", got)
	}
}

func TestALongJournalGoesOnInTheNextBlob(t *testing.T) {
	w := newWorld(t)
	s := w.store(nil)
	s.maxBlocks = 3
	var want []string
	for run := range 3 {
		j := w.open(s, execute.JournalOptions{})
		for i := range 4 {
			note := fmt.Sprintf("%d-%d", run, i)
			w.put(j, note)
			want = append(want, note)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.notes(w.store(nil)); got != strings.Join(want, ",") {
		t.Errorf("got %s", got)
	}
	if _, _, err := s.Load(context.Background(), segment(4)); err != nil {
		t.Errorf("12 records are not in four blobs: %v", err)
	}
}

func TestManyWritersOnManyMachinesNeverWriteAtOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 5 {
				j, err := execute.OpenJournalIn(context.Background(), w.store(nil), execute.JournalOptions{Holder: fmt.Sprint(i), Wait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				for range 2 {
					if _, err := j.Append(execute.Record{Unit: fmt.Sprint(i), Step: fmt.Sprint(k), Phase: execute.PhaseDone}); err != nil {
						t.Error(err)
					}
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	records, err := execute.ReadJournalIn(context.Background(), w.store(nil))
	if err != nil || len(records) != 40 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i := 0; i < len(records); i += 2 {
		if records[i].Unit != records[i+1].Unit || records[i].Step != records[i+1].Step {
			t.Errorf("records %d and %d are of two writers", i+1, i+2)
		}
	}
}

func TestDamageIsFoundInABlobToo(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	s := w.store(nil)
	j := w.open(s, execute.JournalOptions{})
	w.put(j, "a")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := s.ReadJournal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, segment(2), bytes.Replace(content, []byte(`"a"`), []byte(`"b"`), 1), execute.NoVersion); err != nil {
		t.Fatal(err)
	}
	var damage *execute.DamageError
	if _, err := execute.OpenJournalIn(ctx, s, execute.JournalOptions{}); !errors.As(err, &damage) || damage.Line != 2 {
		t.Errorf("got %v", err)
	}
}

// TestTheChainGoesAcrossTheBlobsOfAJournal lets somebody who may write the container remove, change and exchange blobs in the middle of a journal.
func TestTheChainGoesAcrossTheBlobsOfAJournal(t *testing.T) {
	ctx := context.Background()
	remove := func(t *testing.T, s *Store, name string) {
		t.Helper()
		c, err := s.blob(name)
		if err == nil {
			_, err = c.Delete(ctx, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T, s *Store, name string, content []byte) {
		t.Helper()
		remove(t, s, name)
		if _, err := s.Save(ctx, name, content, execute.NoVersion); err != nil {
			t.Fatal(err)
		}
	}
	get := func(t *testing.T, s *Store, name string) []byte {
		t.Helper()
		content, _, err := s.Load(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	for name, tamper := range map[string]func(t *testing.T, s *Store){
		"one is removed": func(t *testing.T, s *Store) { remove(t, s, segment(2)) },
		"two are removed": func(t *testing.T, s *Store) {
			remove(t, s, segment(2))
			remove(t, s, segment(3))
		},
		"the first is removed": func(t *testing.T, s *Store) { remove(t, s, segment(1)) },
		"one is changed": func(t *testing.T, s *Store) {
			put(t, s, segment(3), bytes.Replace(get(t, s, segment(3)), []byte(`"note":"1`), []byte(`"note":"9`), 1))
		},
		"one is put twice": func(t *testing.T, s *Store) { put(t, s, segment(3), get(t, s, segment(2))) },
		"two are exchanged": func(t *testing.T, s *Store) {
			two, three := get(t, s, segment(2)), get(t, s, segment(3))
			put(t, s, segment(2), three)
			put(t, s, segment(3), two)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.store(nil)
			s.maxBlocks = 3
			for range 3 {
				j := w.open(s, execute.JournalOptions{})
				for range 4 {
					w.put(j, "1")
				}
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}
			tamper(t, s)
			var damage *execute.DamageError
			if _, err := execute.ReadJournalIn(ctx, w.store(nil)); !errors.As(err, &damage) {
				t.Errorf("reading it gives %v", err)
			}
			if _, err := execute.OpenJournalIn(ctx, w.store(nil), execute.JournalOptions{}); err == nil {
				t.Error("it is written all the same")
			}
		})
	}
}

func TestWhatIsWrongIsSaidWithoutTheRequest(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	missing := *w
	missing.container = "not-there"
	_, err := execute.OpenJournalIn(ctx, missing.store(nil), execute.JournalOptions{})
	if err == nil || !strings.Contains(err.Error(), "az storage container create --account-name devstoreaccount1 --name not-there") {
		t.Errorf("without a container: %v", err)
	}
	_, _, err = w.storeWith(nil, "not-a-token").Load(ctx, "plan.json")
	if err == nil || !errors.Is(err, execute.ErrForbidden) || strings.Contains(err.Error(), "not-a-token") || strings.Contains(err.Error(), "\n") {
		t.Errorf("with a bad token: %v", err)
	}
	down := w.store(&base{before: func(*http.Request) error { return io.ErrUnexpectedEOF }})
	if _, _, err = down.Load(ctx, "plan.json"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a network: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"azblob://acme/state/teams/a":                               "https://acme.blob.core.windows.net azblob://acme/state/teams/a",
		"azblob://acme/state":                                       "https://acme.blob.core.windows.net azblob://acme/state",
		"azblob://acme/state/?endpoint=https://blobs.example/acme/": "https://blobs.example/acme azblob://acme/state",
		"azblob://acme":                                             "",
		"azblob://Acme/state":                                       "",
		"azblob://acme/st--ate":                                     "",
		"azblob://acme/state/../other":                              "",
		"azblob://acme/state/a%2f..%2fb":                            "",
		"azblob://acme/state/a?endpoint=http://blobs.example":       "",
		"azblob://acme/state/a?key=x":                               "",
		"azblob://u:p@acme/state":                                   "",
		"azblob://acme/state#x":                                     "",
	} {
		got := ""
		if a, err := ParseAddress(text); err == nil {
			got = a.URL("core.windows.net") + " " + a.String()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
