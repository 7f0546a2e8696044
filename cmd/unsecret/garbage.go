package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
)

// garbageFor gives the garbage that may lie beside so many bytes that are used, in per cent.
func garbageFor(used uint64) int {
	if used > muchUsed {
		return leastGarbage
	}
	return int(min(max(100*freeGarbage/max(used, 1), commonGarbage), mostGarbage))
}

// allowGarbage lets the runtime collect less often while little memory is used, as by a scan of a few thousand files, and more often while much is. It
// looks again after each collection.
func allowGarbage() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	var look func(int)
	look = func(int) {
		metrics.Read(sample)
		percent := commonGarbage
		if sample[0].Value.Kind() == metrics.KindUint64 {
			percent = garbageFor(sample[0].Value.Uint64())
		}
		if percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
		runtime.AddCleanup(new([16]byte), look, 0) // it is called when the next collection has found that nobody has this
	}
	look(0)
}
