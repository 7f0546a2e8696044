package workflow

import (
	"testing"
)

func flatten(trees []Tree) Tree {
	var one Tree
	for _, t := range trees {
		one.Files = append(one.Files, t.Files...)
	}
	return one
}

func BenchmarkScanCorpus(b *testing.B) {
	tree := flatten(corpus(b, "workflows"))
	b.ReportAllocs()
	for b.Loop() {
		Scan(tree, Options{})
	}
	b.ReportMetric(float64(len(tree.Files)*b.N)/b.Elapsed().Seconds(), "files/s")
}

// One file in ten touches Azure, as in a usual organisation.
func BenchmarkScanMostlyWithoutAzure(b *testing.B) {
	with, without := corpus(b, "workflows"), corpus(b, "workflows-without-azure")
	var tree Tree
	for i, t := range without {
		tree.Files = append(tree.Files, t.Files...)
		if i%9 == 0 {
			tree.Files = append(tree.Files, with[i%len(with)].Files...)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Scan(tree, Options{})
	}
	b.ReportMetric(float64(len(tree.Files)*b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkIsCandidate(b *testing.B) {
	trees := corpus(b, "workflows-without-azure")
	candidates := 0
	for b.Loop() {
		candidates = 0
		for _, t := range trees {
			if IsCandidate(t.Files[0].Content) {
				candidates++
			}
		}
	}
	b.ReportMetric(float64(len(trees)*b.N)/b.Elapsed().Seconds(), "files/s")
	b.ReportMetric(float64(candidates), "candidates")
}

func BenchmarkRewriteCorpus(b *testing.B) {
	tree := flatten(corpus(b, "workflows"))
	b.ReportAllocs()
	for b.Loop() {
		clear(knownMessages.found) // as in a run of the program, which rewrites a folder once
		Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
	}
	b.ReportMetric(float64(len(tree.Files)*b.N)/b.Elapsed().Seconds(), "files/s")
}

// The yardstick: actionlint on the same files.
func BenchmarkActionlintCorpus(b *testing.B) {
	tree := flatten(corpus(b, "workflows"))
	b.ReportAllocs()
	for b.Loop() {
		parallel(len(tree.Files), func(i int) { lint(tree.Files[i].Content) })
	}
	b.ReportMetric(float64(len(tree.Files)*b.N)/b.Elapsed().Seconds(), "files/s")
}
