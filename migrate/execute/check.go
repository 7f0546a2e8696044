package execute

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/unsecret-dev/unsecret/internal/crash"
)

// JournalCheck is what a look at every line of a journal found.
type JournalCheck struct {
	Records []Record // all of them, or those before the damage
	Trusted int      // so many of the records are as they were written
	Head    string   // the hash of the last of these; of none 64 zeros
	Torn    bool     // a last line that a crash cut short follows; the next command that writes heals it
	Damage  *DamageError
}

// CheckJournal reads a journal and checks the chain of hashes, without a lock and without changing anything.
func CheckJournal(ctx context.Context, store Store) (JournalCheck, error) {
	data, err := store.ReadJournal(ctx)
	if err != nil {
		return JournalCheck{Head: firstPrev}, fmt.Errorf("read journal: %w", err)
	}
	return checkBytes(data), nil
}

func checkBytes(data []byte) JournalCheck {
	c := JournalCheck{Head: firstPrev}
	records, good, damage := scanJournal(data)
	c.Records, c.Damage = records, damage
	c.Torn = damage == nil && good < len(data)
	c.Trusted = len(records)
	if damage != nil && damage.link && c.Trusted > 0 {
		c.Trusted-- // the one before the damage may be what was changed, with a hash of its own
	}
	if c.Trusted > 0 {
		c.Head = records[c.Trusted-1].Hash
	}
	return c
}

// decodeJournal reads the records and checks the chain. good is the length of the bytes that are complete records; what
// follows is a torn last line. With a DamageError come the records before the damage.
func decodeJournal(data []byte) (records []Record, good int, err error) {
	records, good, damage := scanJournal(data)
	if damage != nil {
		err = damage
	}
	return records, good, err
}

func scanJournal(data []byte) (records []Record, good int, damage *DamageError) {
	lines, tail := splitLines(data)
	records, broken := decodeLines(lines)
	prev := firstPrev
	for i := range records {
		if damage = follows(&records[i], int64(i+1), prev); damage != nil {
			return records[:i], good, damage
		}
		prev, good = records[i].Hash, good+len(lines[i])+1
	}
	if broken != nil {
		return records, good, broken
	}
	if len(tail) > 0 {
		damage = checkTorn(tail, len(lines)+1)
	}
	return records, good, damage
}

// splitLines gives the whole lines, without their newline, and what follows the last.
func splitLines(data []byte) (lines [][]byte, tail []byte) {
	lines = make([][]byte, 0, bytes.Count(data, []byte{'\n'}))
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return lines, data
		}
		lines, data = append(lines, data[:end]), data[end+1:]
	}
}

// decodeLines reads lines, on all processors, since a long journal is read before anything else happens. It gives the records before the
// first line that is none, and what is wrong with that.
func decodeLines(lines [][]byte) ([]Record, *DamageError) {
	const share = 4096
	records := make([]Record, len(lines))
	damages := make([]*DamageError, (len(lines)+share-1)/share)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for n := range damages {
		slots <- struct{}{}
		wg.Go(func() {
			defer crash.Report()
			defer func() { <-slots }()
			reader := newLineReader()
			for i := n * share; i < min((n+1)*share, len(lines)) && damages[n] == nil; i++ {
				damages[n] = decodeLine(reader, lines[i], i+1, &records[i])
			}
		})
	}
	wg.Wait()
	for _, d := range damages {
		if d != nil {
			return records[:d.Line-1], d
		}
	}
	return records, nil
}
