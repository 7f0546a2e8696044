package execute

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Environment variables that make this test binary a writer in a process of its own.
const (
	envWriter = "UNSECRET_TEST_WRITER" // the state directory
	envMode   = "UNSECRET_TEST_MODE"   // hammer or hold
	envName   = "UNSECRET_TEST_NAME"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envWriter); dir != "" {
		if err := writer(dir, os.Getenv(envMode), os.Getenv(envName)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	hammerRuns    = 25
	hammerRecords = 4
)

// writer is what a process of its own does.
func writer(dir, mode, name string) error {
	for run := range hammerRuns {
		j, err := OpenJournal(dir, JournalOptions{Holder: name, Wait: time.Minute})
		if err != nil {
			return err
		}
		for i := range hammerRecords {
			if _, err := j.Append(Record{Unit: name, Step: fmt.Sprintf("%d/%d", run, i), Phase: PhaseDone}); err != nil {
				return err
			}
		}
		if mode == "hold" {
			return hold(j)
		}
		if err := j.Close(); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps the journal open, and writes a record for each line that it reads.
func hold(j *Journal) error {
	fmt.Println("holding")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if _, err := j.Append(Record{Unit: "held", Step: in.Text(), Phase: PhaseIntent}); err != nil {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Println("written")
	}
	return j.Close()
}

func startWriter(t *testing.T, dir, mode, name string) (*exec.Cmd, func(string) string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), envWriter+"="+dir, envMode+"="+mode, envName+"="+name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said := bufio.NewScanner(out)
	return cmd, func(line string) string {
		t.Helper()
		if line != "" {
			if _, err := fmt.Fprintln(in, line); err != nil {
				t.Fatal(err)
			}
		}
		if !said.Scan() {
			t.Fatal("the process says nothing")
		}
		return said.Text()
	}
}

func TestProcessesThatHammerOneStateNeverWriteAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envWriter+"="+dir, envMode+"=hammer", envName+"=w"+strconv.Itoa(i))
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	records, err := ReadJournal(dir)
	if err != nil || len(records) != 3*hammerRuns*hammerRecords {
		t.Fatalf("%d records, %v", len(records), err)
	}
	// The records of one run stand together: nobody wrote between them.
	for i := 0; i < len(records); i += hammerRecords {
		run, _, _ := strings.Cut(records[i].Step, "/")
		for k := range hammerRecords {
			if r := records[i+k]; r.Unit != records[i].Unit || r.Step != fmt.Sprintf("%s/%d", run, k) {
				t.Fatalf("record %d is %s %s, within run %s of %s", r.Seq, r.Unit, r.Step, run, records[i].Unit)
			}
		}
	}
}

func TestASecondProcessIsRefusedWithTheNameOfTheFirst(t *testing.T) {
	dir := t.TempDir()
	cmd, say := startWriter(t, dir, "hold", "ada@laptop, unsecret apply")
	say("")
	_, err := OpenJournal(dir, JournalOptions{Holder: "bob", Wait: 300 * time.Millisecond})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder != "ada@laptop, unsecret apply" || locked.PID != cmd.Process.Pid || time.Until(locked.Until) < 10*time.Second {
		t.Fatalf("got %v, %+v", err, locked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := OpenJournalIn(ctx, NewDirStore(dir), JournalOptions{Wait: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that is interrupted: %v", err)
	}
}

func TestTheLockOfAKilledProcessIsFreeAtOnce(t *testing.T) {
	dir := t.TempDir()
	cmd, say := startWriter(t, dir, "hold", "ada")
	say("")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	j := openTest(t, dir)
	if j.TakenOver() != nil || len(j.Records()) != hammerRecords {
		t.Errorf("taken over from %v, %d records", j.TakenOver(), len(j.Records()))
	}
}

func TestABrokenLockStopsItsHolderBeforeItWrites(t *testing.T) {
	dir := t.TempDir()
	cmd, say := startWriter(t, dir, "hold", "ada")
	say("")
	if got := say("one"); got != "written" {
		t.Fatal(got)
	}
	second, err := OpenJournal(dir, JournalOptions{Holder: "bob", Break: true})
	if err != nil {
		t.Fatal(err)
	}
	if taken := second.TakenOver(); taken == nil || !taken.Broken || taken.Holder != "ada" || taken.PID != cmd.Process.Pid {
		t.Errorf("taken: %+v", taken)
	}
	if got := say("two"); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, "bob") || !strings.Contains(got, "nothing more is written") {
		t.Errorf("the first says %q", got)
	}
	appendTest(t, second, 1)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	// The first still lives and has the kernel's lock, but nobody waits for it.
	third, err := OpenJournal(dir, JournalOptions{Holder: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	if got := say("three"); !strings.HasPrefix(got, "refused: ") {
		t.Errorf("the first says %q", got)
	}
	appendTest(t, third, 1)
	var steps []string
	for _, r := range third.Records() {
		steps = append(steps, r.Step)
	}
	want := "0/0 0/1 0/2 0/3 one journal/lock s/0 s/0"
	if got := strings.Join(steps, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r := third.Records()[5]; !strings.HasPrefix(r.Note, "took the lock of ada (process ") || !strings.HasSuffix(r.Note, ": broken by command") || r.Actor != "bob" {
		t.Errorf("%+v", r)
	}
}

// expired sets the end of the lease into the past, as a suspended machine's would be.
func expired(t *testing.T, dir string) {
	t.Helper()
	g, err := NewDirStore(dir).openLock()
	if err != nil {
		t.Fatal(err)
	}
	err = g.exclusive(shortPatience, func() error {
		l, err := g.read()
		l.Until = time.Now().Add(-time.Second)
		return errors.Join(err, g.write(l))
	})
	if err := errors.Join(err, g.file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAnExpiredLockIsTakenOverAndThatIsJournaled(t *testing.T) {
	dir := t.TempDir()
	_, say := startWriter(t, dir, "hold", "ada")
	say("")
	expired(t, dir)
	// Its holder may go on, as long as nobody has taken it.
	if got := say("one"); got != "written" {
		t.Fatal(got)
	}
	second := openTest(t, dir)
	if taken := second.TakenOver(); taken == nil || taken.Broken || taken.Holder != "ada" {
		t.Errorf("taken: %+v", taken)
	}
	if got := say("two"); !strings.HasPrefix(got, "refused: ") {
		t.Errorf("the first says %q", got)
	}
	last := second.Records()[len(second.Records())-1]
	if last.Step != LockStep || last.Phase != PhaseObserved || !strings.HasSuffix(last.Note, "it had expired") {
		t.Errorf("%+v", last)
	}
	// And the second is locked like any other, although the first still has the kernel's lock.
	var locked *LockedError
	if _, err := OpenJournal(dir, JournalOptions{}); !errors.As(err, &locked) || locked.Holder != "ada@host" {
		t.Errorf("got %v", err)
	}
}

func TestALeaseOfAnotherMachineHoldsUntilItEnds(t *testing.T) {
	dir := t.TempDir()
	s := NewDirStore(dir)
	g, err := s.openLock()
	if err != nil {
		t.Fatal(err)
	}
	l := lease{ID: "x", LockHolder: LockHolder{Holder: "ada", PID: 7, Host: "elsewhere", Since: time.Now()}, Until: time.Now().Add(time.Minute), Guarded: true}
	if err := errors.Join(g.write(l), g.file.Close()); err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := OpenJournal(dir, JournalOptions{}); !errors.As(err, &locked) || locked.Host != "elsewhere" {
		t.Fatalf("got %v", err)
	}
	expired(t, dir)
	if j := openTest(t, dir); j.TakenOver() == nil {
		t.Error("it is not journaled")
	}
}

func TestALeaseIsRenewedAndALockFileThatWasRemovedIsLost(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file in use cannot be removed on Windows")
	}
	dir := t.TempDir()
	j := openTest(t, dir)
	w := j.writer.(*dirJournal)
	expired(t, dir)
	if err := w.guard.exclusive(shortPatience, w.extend); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(dir, JournalOptions{}); err == nil {
		t.Error("a renewed lease was taken")
	}
	if err := os.Remove(filepath.Join(dir, LockFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(Record{Phase: PhaseIntent}); !errors.Is(err, ErrLockLost) {
		t.Errorf("got %v", err)
	}
}

func TestADocumentIsNotReplacedOverAnothersChange(t *testing.T) {
	ctx, s := context.Background(), NewDirStore(filepath.Join(t.TempDir(), "state"))
	v1, err := s.Save(ctx, "plan.json", []byte("one"), NoVersion)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, "plan.json", []byte("x"), NoVersion); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Save(ctx, "plan.json", []byte("two"), v1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, "plan.json", []byte("three"), v1); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "plan.json was changed by another process meanwhile") {
		t.Errorf("got %v", err)
	}
	content, _, err := s.Load(ctx, "plan.json")
	if err != nil || string(content) != "two" {
		t.Errorf("%q, %v", content, err)
	}
	if info, err := os.Stat(s.Place("plan.json")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
