package main

import (
	"runtime"
	"runtime/debug"

	"github.com/unsecret-dev/unsecret/internal/crash"
)

// The bounds of the garbage that may lie beside what is used, in per cent of it (debug.SetGCPercent).
const (
	leastGarbage  = 40  // where much is used
	commonGarbage = 100 // what the runtime takes
	mostGarbage   = 170
)

const (
	// freeGarbage is how much garbage may lie about whatever is used: below it, a collection frees less than it costs.
	freeGarbage = 4 << 20
	// muchUsed is from where on garbage is kept low, so that a scan of a large organisation fits into a small machine.
	muchUsed = 40 << 20
	// beforeFirst is how much memory is taken, the runtime's own included, before anything is collected. A scan of a few thousand
	// files ends with about as much. While a collection goes on, all else is slowed, and for longer than the collection works.
	beforeFirst = 16 << 20
)

// garbageFor gives the garbage that may lie beside so many bytes that are used, in per cent.
func garbageFor(used uint64) int {
	if used > muchUsed {
		return leastGarbage
	}
	return int(min(max(100*freeGarbage/max(used, 1), commonGarbage), mostGarbage))
}

// allowGarbage lets the runtime collect less often while little memory is used, as by a scan of a few thousand files, and more often while much is.
// It calls a function after each collection.
func allowGarbage(collected func()) {
	limit := debug.SetMemoryLimit(beforeFirst)
	debug.SetGCPercent(-1)
	afterCollection(func() {
		debug.SetGCPercent(commonGarbage)
		debug.SetMemoryLimit(limit)
		collected()
		adjustGarbage(commonGarbage, collected)
	})
}

// adjustGarbage goes on from the per cent of garbage that is allowed now.
func adjustGarbage(percent int, collected func()) {
	afterCollection(func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		next := garbageFor(m.NextGC * 100 / uint64(100+percent)) // collected is at what is used with its garbage
		if next != percent {
			debug.SetGCPercent(next)
		}
		collected()
		adjustGarbage(next, collected)
	})
}

// afterCollection calls a function when the next collection has found that nobody has what was made for this.
func afterCollection(do func()) {
	runtime.AddCleanup(new([16]byte), func(do func()) {
		defer crash.Report()
		do()
	}, do)
}
