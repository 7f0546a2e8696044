package yaml

import (
	"bytes"
	"unsafe"

	"github.com/unsecret-dev/unsecret/internal/blocks"
)

// Memory is where trees are made, so that the trees of the next files can be made where those of the last ones were. The zero
// value is ready for use, by one goroutine at a time.
type Memory struct {
	nodes blocks.Of[Node]
	links blocks.Of[*Node]
	lines blocks.Of[int]
	stack []*Node // the children of the collections that are open
	texts []byte  // the text of block scalars; it never grows beyond its first size
}

// Reset takes the nodes back: no node of any tree that was made here may be used any more. The values of nodes stay, unless they
// are taken back too.
func (m *Memory) Reset(values bool) {
	if values {
		m.texts = m.texts[:0]
	}
	m.nodes.Reset()
	m.links.Reset()
	m.lines.Reset()
	clear(m.stack[:cap(m.stack)])
}

// Lines gives the offset of each line of a text whose only breaks are line feeds, until Reset. The first begins after a byte
// order mark.
func (m *Memory) Lines(src []byte) []int {
	starts := m.lines.Take(1 + bytes.Count(src, []byte{'\n'}))[:1]
	if bytes.HasPrefix(src, byteOrderMark) {
		starts[0] = len(byteOrderMark)
	}
	for at := 0; ; {
		i := bytes.IndexByte(src[at:], '\n')
		if i < 0 {
			return starts
		}
		at += i + 1
		starts = append(starts, at)
	}
}

// room makes sure that so many bytes can be written without moving the text of the blocks before.
func (m *Memory) room(bytes int) {
	if cap(m.texts)-len(m.texts) < bytes {
		m.texts = make([]byte, 0, max(textAtOnce, bytes))
	}
}

// textFrom gives the text that was written from an offset on.
func (m *Memory) textFrom(at int) string {
	text := m.texts[at:]
	return unsafe.String(unsafe.SliceData(text), len(text))
}

// textAtOnce is how much memory for the text of block scalars is taken at once.
const textAtOnce = 16 << 10
