package transport

import (
	"cmp"
	"slices"
	"time"
)

// Count is what was asked of one host by one kind of client.
type Count struct {
	Kind     string        `json:"kind"`
	Host     string        `json:"host"`
	Reads    int           `json:"reads"`
	Writes   int           `json:"writes"`
	Repeated int           `json:"repeated"` // how many of them were repetitions
	Refused  int           `json:"refused"`  // writes refused while reading: never sent, not in Writes
	Bytes    int64         `json:"bytes"`    // of answers, after decompression
	Busy     time.Duration `json:"busy"`     // sum of the time that requests were under way
}

type countKey struct{ kind, host string }

func (t *Transport) count(kind, host string, add func(*Count)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := countKey{kind, host}
	c := t.stats[k]
	if c == nil {
		c = &Count{Kind: kind, Host: host}
		t.stats[k] = c
	}
	add(c)
}

// Counts gives the requests so far, by kind and host, sorted.
func (t *Transport) Counts() []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make([]Count, 0, len(t.stats))
	for _, c := range t.stats {
		counts = append(counts, *c)
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Host, b.Host))
	})
	return counts
}
