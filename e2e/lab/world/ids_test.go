package world

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNodeIDsAreFoundAgain(t *testing.T) {
	w := New(1)
	a, r := w.AddAccount("octo", "Organization"), w.AddRepo("octo", "app", nil)
	if got, _ := w.GitHub.ByNode(r.NodeID); got != r {
		t.Errorf("%s is not the repository", r.NodeID)
	}
	if _, got := w.GitHub.ByNode(a.NodeID); got != a {
		t.Errorf("%s is not the account", a.NodeID)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Range(0, 1<<32-1).Draw(t, "id")
		prefix := rapid.StringMatching(`[A-Z]{1,4}`).Draw(t, "prefix")
		if p, ids := parseNodeID(NodeID(prefix, id, 7)); p != prefix || len(ids) != 2 || ids[0] != id || ids[1] != 7 {
			t.Fatalf("%s %v", p, ids)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		w.GitHub.ByNode(rapid.String().Draw(t, "garbage")) // no panic
		w.GitHub.ByNode("R_" + rapid.StringMatching(`[A-Za-z0-9_-]{0,12}`).Draw(t, "base64"))
	})
}

// A clean merge takes each side's change and nothing else.
func TestMergeTakesBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(1)
		paths := []string{"a", "b", "d/c", "d/e"}
		state := rapid.MapOfN(rapid.SampledFrom(paths), rapid.SampledFrom([]string{"1", "2"}), 1, -1)
		start := state.Draw(t, "start")
		r := w.AddRepo("octo", "app", start)
		edit := func(branch string) map[string]string {
			want := map[string]string{}
			for p, v := range start {
				want[p] = v
			}
			changes := map[string][]byte{}
			for p, v := range rapid.MapOf(rapid.SampledFrom(paths), rapid.SampledFrom([]string{"", "2", "3"})).Draw(t, branch) {
				changes[p] = []byte(v)
				want[p] = v
				if v == "" {
					changes[p] = nil
					delete(want, p)
				}
			}
			w.CommitFiles(r, branch, branch, changes)
			return want
		}
		theirs := edit("topic")
		ours := edit("main")
		p := w.OpenPull(r, "topic", "main", "T", "", "dev")
		conflict := ""
		want := map[string]string{}
		for _, path := range paths {
			o, th, b := ours[path], theirs[path], start[path]
			v := o
			if th != b {
				v = th
			}
			if o != b && th != b && o != th {
				conflict = path
			}
			if v != "" {
				want[path] = v
			}
		}
		err := w.MergePull(r, p.Number)
		if (err != nil) != (conflict != "") {
			t.Fatalf("conflict in %q: %v", conflict, err)
		}
		if err != nil {
			return
		}
		got := r.Files("main")
		if len(got) != len(want) {
			t.Fatalf("merged %q, want %q", got, want)
		}
		for path, v := range want {
			if string(got[path]) != v {
				t.Fatalf("merged %q, want %q", got, want)
			}
		}
	})
}
