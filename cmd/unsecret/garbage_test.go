package main

import "testing"

func TestGarbageIsKeptLowWhereMuchIsUsedAndLetLieWhereLittleIs(t *testing.T) {
	for used, want := range map[uint64]int{0: mostGarbage, 1 << 20: mostGarbage, 3 << 20: 133, 8 << 20: commonGarbage, muchUsed: commonGarbage, muchUsed + 1: leastGarbage, 1 << 30: leastGarbage} {
		if got := garbageFor(used); got != want {
			t.Errorf("%d bytes: %d%%, want %d%%", used, got, want)
		}
	}
}
