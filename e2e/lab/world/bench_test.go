package world

import (
	"fmt"
	"testing"
)

// BenchmarkAddRepo makes a repository with shared workflow files, keys and one commit.
func BenchmarkAddRepo(b *testing.B) {
	w := New(1)
	text := "on: push\n"
	i := 0
	for b.Loop() {
		w.AddRepo("octo", fmt.Sprintf("r%d", i), map[string]string{".github/workflows/ci.yml": text, ".github/workflows/cd.yml": text, "README.md": text})
		i++
	}
}
