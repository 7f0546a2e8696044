package yaml

import "strings"

// Memory is where trees are made, so that the trees of the next files can be made where those of the last ones were. The zero
// value is ready for use, by one goroutine at a time.
type Memory struct {
	nodes  blocksOf[Node]
	links  blocksOf[*Node]
	stack  []*Node         // the children of the collections that are open
	blocks strings.Builder // the text of block scalars; it never grows beyond its first size
}

// Reset takes the nodes back: no node of any tree that was made here may be used any more. The values of nodes stay.
func (m *Memory) Reset() {
	m.nodes.reset()
	m.links.reset()
	clear(m.stack[:cap(m.stack)])
}

func (m *Memory) newNode() *Node { return &m.nodes.take(1)[0] }

func (m *Memory) newLinks(n int) []*Node {
	if n > atOnce {
		return make([]*Node, n)
	}
	return m.links.take(n)
}

// room makes sure that so many bytes can be written without moving the text of the blocks before.
func (m *Memory) room(bytes int) {
	if m.blocks.Cap()-m.blocks.Len() < bytes {
		m.blocks.Reset()
		m.blocks.Grow(max(textAtOnce, bytes))
	}
}

// How much memory is taken at once.
const (
	atOnce     = 128
	textAtOnce = 16 << 10
)

// blocksOf hands out parts of blocks of one size.
type blocksOf[T any] struct {
	blocks []*[atOnce]T
	block  int // the one that parts are taken from
	used   int // of that block
}

func (b *blocksOf[T]) take(n int) []T {
	if b.used+n > atOnce {
		b.block, b.used = b.block+1, 0
	}
	if b.block == len(b.blocks) {
		b.blocks = append(b.blocks, new([atOnce]T))
	}
	from := b.used
	b.used += n
	return b.blocks[b.block][from:b.used:b.used]
}

func (b *blocksOf[T]) reset() {
	for i := range min(b.block+1, len(b.blocks)) {
		clear(b.blocks[i][:])
	}
	b.block, b.used = 0, 0
}
