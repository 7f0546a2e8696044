package workflow

import (
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// reusable keeps the memory of trees that were read for those that are read next, since a folder can hold very many.
var reusable = sync.Pool{New: func() any { return new(yaml.Memory) }}

// memories are where the nodes of one tree live, each used by one goroutine at a time.
type memories struct {
	mu   sync.Mutex
	free []*yaml.Memory
}

// parse reads a file into nodes that live until release.
func (m *memories) parse(path string, src []byte) (*document, error) {
	own := m.take()
	defer m.give(own)
	return parseDocumentIn(own, path, src)
}

func (m *memories) take() *yaml.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := len(m.free) - 1; last >= 0 {
		own := m.free[last]
		m.free = m.free[:last]
		return own
	}
	own, _ := reusable.Get().(*yaml.Memory)
	return own
}

func (m *memories) give(own *yaml.Memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = append(m.free, own)
}

// release takes back all nodes; none may be used any more.
func (m *memories) release() {
	for _, own := range m.free {
		own.Reset()
		reusable.Put(own)
	}
	m.free = nil
}
