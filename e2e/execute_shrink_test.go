package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func writeScript(s script) string {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// shrink takes away of a life what it fails without. Each try is a process of its own, since a test cannot fail and go on.
func shrink(t *testing.T, s script) script {
	t.Helper()
	file := filepath.Join(t.TempDir(), "life.json")
	fails := func(s script) bool {
		if err := os.WriteFile(file, []byte(writeScript(s)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLivesThatOnceFailedGoWell$") //nolint:gosec // this test itself
		cmd.Env = append(os.Environ(), "UNSECRET_LIFE="+file)
		return cmd.Run() != nil
	}
	if !fails(s) {
		t.Log("it does not fail a second time: its end depends on which of several units comes first")
		return s
	}
	for n := len(s.Acts) / 2; n > 0; n /= 2 {
		for i := len(s.Acts) - n; i >= 0; i -= n {
			without := s
			without.Acts = slices.Delete(slices.Clone(s.Acts), i, min(i+n, len(s.Acts)))
			if fails(without) {
				s = without
			}
		}
	}
	try := func(change func(*script)) {
		other := s
		other.Acts = slices.Clone(s.Acts)
		if change(&other); fails(other) {
			s = other
		}
	}
	for i := range s.Acts {
		if s.Acts[i].Killed {
			try(func(s *script) { s.Acts[i].Killed = false })
		}
	}
	for _, off := range []func(*script){
		func(s *script) { s.Generated, s.Seed, s.Repositories, s.Connections = false, 0, 0, 0 }, func(s *script) { s.OldIssuer = false },
		func(s *script) { s.Slow = false }, func(s *script) { s.Limited = false }, func(s *script) { s.Waves = false },
	} {
		try(off)
	}
	return s
}
