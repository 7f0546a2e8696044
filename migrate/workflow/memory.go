package workflow

import (
	"sync"

	"github.com/unsecret-dev/unsecret/internal/blocks"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// memory is where what is read of files lives. One goroutine uses it at a time.
type memory struct {
	yaml.Memory
	jobs     blocks.Of[job]
	jobLists blocks.Of[*job]
	steps    blocks.Of[step]
	lists    blocks.Of[*step]
	params   blocks.Of[entry]
	findings blocks.Of[finding]
}

func (m *memory) reset(values bool) {
	m.Reset(values)
	m.jobs.Reset()
	m.jobLists.Reset()
	m.steps.Reset()
	m.lists.Reset()
	m.params.Reset()
	m.findings.Reset()
}

// entries is the function entries with the list in this memory.
func (m *memory) entries(n *yaml.Node) []entry {
	if n = resolve(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return appendEntries(m.params.Take(len(n.Content) / 2)[:0], n, 0)
}

// reusable keeps the memory of trees that were read for those that are read next, since a folder can hold very many.
var reusable = sync.Pool{New: func() any { return new(memory) }}

// memories are where one tree lives.
type memories struct {
	mu   sync.Mutex
	free []*memory
}

// with lends memory to a function. What is in it lives until release.
func (m *memories) with(do func(*memory)) {
	own := m.take()
	defer m.give(own)
	do(own)
}

func (m *memories) take() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := len(m.free) - 1; last >= 0 {
		own := m.free[last]
		m.free = m.free[:last]
		return own
	}
	own, _ := reusable.Get().(*memory)
	return own
}

func (m *memories) give(own *memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = append(m.free, own)
}

// release takes everything back; nothing of the tree may be used any more but the values of nodes, unless they are taken back too.
func (m *memories) release(values bool) {
	for _, own := range m.free {
		own.reset(values)
		reusable.Put(own)
	}
	m.free = nil
}
