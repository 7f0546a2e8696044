package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The bounds of the garbage that may lie beside what is used, in per cent of it (debug.SetGCPercent).
const (
	leastGarbage = 100 // what the runtime takes
	mostGarbage  = 170
)

// freeGarbage is how much garbage may lie about whatever is used: below it, a collection frees less than it costs.
const freeGarbage = 4 << 20

// allowGarbage lets the runtime collect less often while little memory is used, as by a scan of a few thousand files. It
// looks again after each collection.
func allowGarbage() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	var look func(int)
	look = func(int) {
		metrics.Read(sample)
		percent := leastGarbage
		if sample[0].Value.Kind() == metrics.KindUint64 {
			percent = int(min(max(100*freeGarbage/max(sample[0].Value.Uint64(), 1), leastGarbage), mostGarbage))
		}
		if percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
		if percent > leastGarbage {
			runtime.AddCleanup(new([16]byte), look, 0) // it is called when the next collection has found that nobody has this
		}
	}
	look(0)
}
