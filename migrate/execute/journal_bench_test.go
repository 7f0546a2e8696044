package execute

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// benchRecord is a record of the size that an apply writes.
func benchRecord(i int) Record {
	return Record{Plan: "f4acadf844aded02575dbf2890c1a25d76b589c521f5cfa43227f6b8a574a67d", Unit: fmt.Sprintf("contoso-pipelines-%08d", i/10),
		Step: "federated-credential/unsecret-repo-contoso-infrastructure-environment-production-0ff919f9", Phase: PhaseDone, Actor: "ada@host",
		After: State{"application": "e7b0b05e-a363-4cb3-b88b-8e6d456295a8", "id": "79b9a1d8-4a0b-445b-a300-ae2190f4939b",
			"issuer": "https://token.actions.githubusercontent.com", "subject": "repo:contoso/infrastructure:environment:production"}}
}

// BenchmarkJournalAppend measures a record on disk, synced: by one unit alone, and by units that share a sync.
func BenchmarkJournalAppend(b *testing.B) {
	for _, units := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("units=%d", units), func(b *testing.B) {
			j, err := OpenJournal(b.TempDir(), JournalOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = j.Close() }()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range units {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := j.Append(benchRecord(int(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// longJournal is the text of a journal of so many records.
func longJournal(tb testing.TB, n int) []byte {
	tb.Helper()
	var text, line []byte
	prev := firstPrev
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	for i := range n {
		r := benchRecord(i)
		r.Seq, r.Prev, r.Time = int64(i+1), prev, start.Add(time.Duration(i)*time.Second)
		if err := r.seal(&line); err != nil {
			tb.Fatal(err)
		}
		text, prev = append(text, line...), r.Hash
	}
	return text
}

// BenchmarkResume measures opening a journal of 100,000 records: read, checked in full, and folded.
func BenchmarkResume(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(NewDirStore(dir).Place(JournalFile), longJournal(b, 100_000), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		j, err := OpenJournalIn(context.Background(), NewDirStore(dir), JournalOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if f := newFold(j.Records()); len(f.steps) != 10_000 {
			b.Fatalf("%d steps", len(f.steps))
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSync measures what the disk itself takes for a record: written at the end of a file and synced. A journal cannot be faster.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	line := bytes.Repeat([]byte("x"), 700)
	at := int64(0)
	for b.Loop() {
		if _, err := f.WriteAt(line, at); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		at += int64(len(line))
	}
}
