// Package blocks gives many small things memory that is used again, so that what reads thousands of files needs as much memory
// as for one of them.
package blocks

import "unsafe"

// Of hands out parts of blocks of things. The zero value is ready for use, by one goroutine at a time.
type Of[T any] struct {
	blocks [][]T
	block  int // the one that parts are taken from
	used   int // of that block
}

// blockSize is about how many bytes a block has.
const blockSize = 12 << 10

// One gives one thing, which is zero.
func (b *Of[T]) One() *T { return &b.Take(1)[0] }

// Take gives so many things side by side, which are zero. What is larger than half of a block gets memory of its own.
func (b *Of[T]) Take(n int) []T {
	var thing T
	size := max(blockSize/int(max(unsafe.Sizeof(thing), 1)), 16)
	if n > size/2 {
		return make([]T, n)
	}
	if b.block < len(b.blocks) && b.used+n > size {
		b.block, b.used = b.block+1, 0
	}
	if b.block == len(b.blocks) {
		b.blocks = append(b.blocks, make([]T, size))
	}
	from := b.used
	b.used += n
	return b.blocks[b.block][from:b.used:b.used]
}

// Reset takes all things back: none that was handed out may be used any more.
func (b *Of[T]) Reset() {
	for i, block := range b.blocks[:min(b.block+1, len(b.blocks))] {
		if i == b.block {
			block = block[:b.used]
		}
		clear(block)
	}
	b.block, b.used = 0, 0
}
