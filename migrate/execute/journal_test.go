package execute

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func clock() func() time.Time {
	t := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	return func() time.Time {
		t = t.Add(time.Second)
		return t
	}
}

func openTest(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, JournalOptions{Holder: "ada@host", Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func appendTest(t *testing.T, j *Journal, n int) {
	t.Helper()
	for i := range n {
		r := Record{Plan: "p", Unit: "u", Step: fmt.Sprintf("s/%d", i), Phase: PhaseDone, After: State{"id": "1", "name": "é<&>\u2028"}, Note: "note \x80 with bytes", Actor: "ada"}
		if _, err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

// sample is the text of a journal of three records.
func sample(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	j := openTest(t, dir)
	appendTest(t, j, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRecordsAreReadBackAsTheyWereWritten(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir)
	appendTest(t, j, 3)
	want := j.Records()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, dir)
	if diff := cmp.Diff(want, again.Records()); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
	appendTest(t, again, 2)
	records, err := ReadJournal(dir)
	if err != nil || len(records) != 5 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestTheFilesAreForTheirOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode on Windows: the access control list of the directory above holds")
	}
	dir := filepath.Join(t.TempDir(), "state")
	j := openTest(t, dir)
	appendTest(t, j, 1)
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, JournalFile): 0o600, filepath.Join(dir, LockFile): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestTwoWritersAreKeptApartByName(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir)
	_, err := OpenJournal(dir, JournalOptions{Holder: "bob"})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder != "ada@host" || locked.PID != os.Getpid() || locked.Since.IsZero() {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "ada@host") || !strings.Contains(err.Error(), "since 2026-11-02T09:00:01Z") {
		t.Errorf("the message does not name the holder and the time: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestAnyChangedByteIsFound(t *testing.T) {
	data := sample(t)
	for i := range data {
		for _, b := range []byte{data[i] ^ 1, data[i] ^ 0x80, ' ', '\n', '0', '"', '}', 0} {
			if b == data[i] {
				continue
			}
			changed := bytes.Clone(data)
			changed[i] = b
			records, _, err := decodeJournal(changed)
			var damage *DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("byte %d changed from %q to %q is not found: %d records, %v", i, data[i], b, len(records), err)
			}
			if line := bytes.Count(data[:i], []byte("\n")) + 1; damage.Line != line && damage.Line != line+1 {
				t.Fatalf("byte %d is in line %d, the error names line %d", i, line, damage.Line)
			}
		}
	}
}

func TestATornLastLineIsHealed(t *testing.T) {
	data := sample(t)
	last := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	for cut := last; cut < len(data); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, JournalFile), data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if records, err := ReadJournal(dir); err != nil || len(records) != 2 {
			t.Fatalf("cut at %d: read gives %d records, %v", cut, len(records), err)
		}
		j := openTest(t, dir)
		if n := len(j.Records()); n != 2 {
			t.Fatalf("cut at %d: %d records", cut, n)
		}
		appendTest(t, j, 1)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if records, err := ReadJournal(dir); err != nil || len(records) != 3 {
			t.Fatalf("cut at %d: after healing %d records, %v", cut, len(records), err)
		}
	}
}

func TestADamagedJournalIsNotWritten(t *testing.T) {
	data := sample(t)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for name, text := range map[string][]byte{
		"a record removed":     slicesConcat(lines[0], lines[2]),
		"a record twice":       slicesConcat(lines[0], lines[1], lines[1], lines[2]),
		"two records swapped":  slicesConcat(lines[1], lines[0], lines[2]),
		"an empty line":        slicesConcat(lines[0], []byte("\n"), lines[1]),
		"something at the end": slicesConcat(data, []byte("hello")),
		"an unknown field":     bytes.Replace(data, []byte(`{"seq":1`), []byte(`{"x":1,"seq":1`), 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, JournalFile)
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenJournal(dir, JournalOptions{})
			var damage *DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("got %v", err)
			}
			if after, _ := os.ReadFile(file); !bytes.Equal(after, text) {
				t.Error("the file was changed")
			}
			// The lock is free again.
			if _, err := OpenJournal(dir, JournalOptions{}); !errors.As(err, &damage) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestConcurrentAppendsFormOneChain(t *testing.T) {
	dir := t.TempDir()
	j, err := OpenJournal(dir, JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 20 {
				if _, err := j.Append(Record{Unit: fmt.Sprint(i), Step: fmt.Sprint(k), Phase: PhaseIntent}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if records, err := ReadJournal(dir); err != nil || len(records) != 160 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestNothingIsWrittenAfterAHookRefuses(t *testing.T) {
	refuse := errors.New("no more")
	n := 0
	j, err := OpenJournal(t.TempDir(), JournalOptions{BeforeRecord: func(Record) error {
		if n++; n == 2 {
			return refuse
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if _, err := j.Append(Record{Phase: PhaseIntent}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := j.Append(Record{Phase: PhaseIntent}); !errors.Is(err, refuse) {
			t.Errorf("got %v", err)
		}
	}
	if len(j.Records()) != 1 {
		t.Errorf("%d records", len(j.Records()))
	}
}

// TestAnyTextSurvives writes records with any text from outside and reads them back.
func TestAnyTextSurvives(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		j, err := OpenJournal(dir, JournalOptions{Now: clock()})
		if err != nil {
			rt.Fatal(err)
		}
		text := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) })
		for range rapid.IntRange(1, 4).Draw(rt, "records") {
			r := Record{Unit: text.Draw(rt, "unit"), Step: text.Draw(rt, "step"), Note: text.Draw(rt, "note"), Phase: PhaseDone,
				After: rapid.MapOf(text, text).Draw(rt, "after")}
			if _, err := j.Append(r); err != nil {
				rt.Fatal(err)
			}
		}
		want := j.Records()
		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}
		got, err := ReadJournal(dir)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// FuzzJournal feeds any bytes: what is accepted as complete must be byte for byte what the records encode to.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte(`{"seq":1,"time":"2026-11-02T09:00:00Z","phase":"done","prev":"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, good, err := decodeJournal(data)
		var again []byte
		for _, r := range records {
			line, encodeErr := r.encode()
			if encodeErr != nil {
				t.Fatal(encodeErr)
			}
			again = append(again, line...)
		}
		if !bytes.Equal(again, data[:good]) {
			t.Errorf("%d records do not encode to what was read", len(records))
		}
		if err == nil && good < len(data) && bytes.IndexByte(data[good:], '\n') >= 0 {
			t.Error("a whole line was taken for a torn one")
		}
	})
}

// TestTheFastReaderReadsWhatTheDecoderReads seals records with any text and reads their lines both ways.
func TestTheFastReaderReadsWhatTheDecoderReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z"\\\\<>&\x{2028}\t{}:,é-]{0,12}`), rapid.StringMatching(`[a-z/:-]{0,20}`))
		state := rapid.OneOf(rapid.Just(State(nil)), rapid.Map(rapid.MapOfN(text, text, 0, 5), func(m map[string]string) State { return m }))
		r := Record{Seq: rapid.Int64Range(1, 1<<50).Draw(t, "seq"), Time: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
			Plan: text.Draw(t, "plan"), Unit: text.Draw(t, "unit"), Step: text.Draw(t, "step"), Phase: Phase(text.Draw(t, "phase")),
			Before: state.Draw(t, "before"), After: state.Draw(t, "after"), Note: text.Draw(t, "note"), Actor: text.Draw(t, "actor"), Prev: firstPrev}
		var line []byte
		if err := r.seal(&line); err != nil {
			t.Fatal(err)
		}
		line = line[:len(line)-1]
		var fast, slow Record
		if !newLineReader().read(line, &fast) {
			t.Fatalf("not taken: %s", line)
		}
		if damage := judgeLine(line, 1, &slow); damage != nil {
			t.Fatal(damage)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzTheFastReader feeds any bytes: what the fast reader takes is what the record that it gives encodes to.
func FuzzTheFastReader(f *testing.F) {
	f.Add([]byte(`{"seq":1,"time":"2026-11-02T09:00:00Z","phase":"done","before":{"a":"1","b":"\""},"prev":"x","hash":"y"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Record
		if !newLineReader().read(line, &r) {
			return
		}
		again, err := r.encode()
		if err != nil || !bytes.Equal(again[:len(again)-1], line) {
			t.Errorf("took %s for %s", line, again)
		}
	})
}

// TestEveryCorruptionOfALongJournalIsFound damages a journal of 1,000 records in every way that a disk, an editor or a person may.
// Only what is taken away from the end leaves a whole chain; that is found by a head that was noted.
func TestEveryCorruptionOfALongJournalIsFound(t *testing.T) {
	data := longJournal(t, 1000)
	whole := bytes.SplitAfter(data, []byte("\n"))
	whole = whole[:len(whole)-1]
	at := func(t *rapid.T, name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
	kinds := map[string]func(*rapid.T, [][]byte) [][]byte{
		"a byte changed": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l))
			l[i] = bytes.Clone(l[i])
			l[i][at(t, "byte", len(l[i]))] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			return l
		},
		"bytes taken out": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l)-1)
			from := at(t, "from", len(l[i])-1)
			l[i] = slices.Delete(bytes.Clone(l[i]), from, from+1+at(t, "bytes", len(l[i])-from-1))
			return l
		},
		"bytes put in": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l)-1)
			l[i] = slices.Insert(bytes.Clone(l[i]), at(t, "at", len(l[i])), rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "bytes")...)
			return l
		},
		"lines taken out": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l)-1)
			return slices.Delete(l, i, i+1+at(t, "lines", len(l)-1-i))
		},
		"a line twice": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l))
			return slices.Insert(l, at(t, "to", len(l)), l[i])
		},
		"two lines swapped": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l)-1)
			k := i + 1 + at(t, "other", len(l)-1-i)
			l[i], l[k] = l[k], l[i]
			return l
		},
		"a record written anew": func(t *rapid.T, l [][]byte) [][]byte {
			i := at(t, "line", len(l)-1)
			var r Record
			if damage := judgeLine(bytes.TrimSuffix(l[i], []byte("\n")), i+1, &r); damage != nil {
				t.Fatal(damage)
			}
			r.Note = "nothing to see here"
			if err := r.seal(&l[i]); err != nil {
				t.Fatal(err)
			}
			return l
		},
	}
	for name, change := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				changed := bytes.Join(change(t, slices.Clone(whole)), nil)
				if bytes.Equal(changed, data) {
					t.Skip("nothing was changed")
				}
				c := checkBytes(changed)
				if c.Damage == nil {
					t.Fatalf("not found; %d records", len(c.Records))
				}
				for i, r := range c.Records[:c.Trusted] {
					if line, err := r.encode(); err != nil || !bytes.Equal(line, whole[i]) {
						t.Fatalf("record %d is trusted, and is not as it was written", i+1)
					}
				}
			})
		})
	}
}
