// Package sampling decides how much of a long matrix a test runs. By itself a test takes a few entries, chosen by a
// seed that it prints, another one each time, so that in time all of a matrix is run:
//
//	go test ./...                                    a sample that nobody has run before
//	UNSECRET_SEED=7 go test ./...                    the sample of a seed, as an earlier run printed it
//	UNSECRET_SEED=100-199 go test ./e2e -run InAnyOrder    several entries of a matrix that is numbered
//	UNSECRET_LONG=1 go test -timeout 0 ./e2e ./cmd/unsecret -run 'FaultMatrix|InAnyOrder|KilledAtAny'    all of it
package sampling

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Long tells whether matrices run in full: UNSECRET_LONG.
func Long() bool { return os.Getenv("UNSECRET_LONG") != "" }

// Given gives the seed that UNSECRET_SEED names.
func Given(tb testing.TB) (seed uint64, ok bool) {
	tb.Helper()
	text := os.Getenv("UNSECRET_SEED")
	if text == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seed == 0 {
		tb.Fatalf("UNSECRET_SEED is %q: it must be a number from 1 on", text)
	}
	return seed, true
}

// Seed gives the seed that a test's sample is chosen by, and prints it.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	seed, given := Given(tb)
	if !given {
		seed = uint64(time.Now().UnixMilli()) //nolint:gosec // after 1970
	}
	tb.Logf("a sample of seed %d: UNSECRET_SEED=%d runs the same again, UNSECRET_LONG=1 runs all", seed, seed)
	return seed
}

// Seeds gives the numbers of the entries of a matrix whose entries are made from a number each: a few from the seed of the sample on, all from 1
// on, or those that UNSECRET_SEED names, one or several as 100-199.
func Seeds(tb testing.TB, few, all int) []uint64 {
	tb.Helper()
	first, count := uint64(1), all
	from, to, several := strings.Cut(os.Getenv("UNSECRET_SEED"), "-")
	switch {
	case several:
		x, err := strconv.ParseUint(from, 10, 63)
		y, err2 := strconv.ParseUint(to, 10, 63)
		if err = errors.Join(err, err2); err != nil || x == 0 || y < x {
			tb.Fatalf("UNSECRET_SEED is %q: it must be a number from 1 on or two as 100-199", os.Getenv("UNSECRET_SEED"))
		}
		first, count = x, int(y-x)+1 //nolint:gosec // as many as a person asks for
	case !Long():
		if _, given := Given(tb); given {
			few = 1 // the name of a failed run
		}
		first, count = Seed(tb), few
	}
	out := make([]uint64, 0, count)
	for i := range count {
		out = append(out, first+uint64(i)) //nolint:gosec // not negative
	}
	return out
}

// Of gives n of the entries, in their order, chosen by the seed; all of them where matrices run in full.
func Of[T any](tb testing.TB, entries []T, n int) []T {
	tb.Helper()
	seed := Seed(tb)
	if Long() || n >= len(entries) {
		return entries
	}
	chosen := rand.New(rand.NewPCG(seed, 0x5a)).Perm(len(entries))[:n] //nolint:gosec // not for secrets
	slices.Sort(chosen)
	out := make([]T, 0, n)
	for _, i := range chosen {
		out = append(out, entries[i])
	}
	return out
}
