package workflow

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// topsOf are what combinations of steps stand below.
var topsOf = []string{
	"on: push\n",
	"on:\n  push:\n    branches: [main]\nenv:\n  PASS: ${{ secrets.PASSWORD }}\n",
	"on: push\npermissions:\n  contents: read\n",
	"on: push\nenv:\n  ARM_CLIENT_ID: ${{ secrets.ID }}\n  ARM_CLIENT_SECRET: ${{ secrets.PASSWORD }}\n  ARM_TENANT_ID: ${{ secrets.TENANT }}\n",
	"on: push\nenv:\n  AZURE_CREDENTIALS: ${{ secrets.AZURE_CREDENTIALS }}\n",
}

// combination makes a workflow of steps that share names, in up to three jobs.
func combination(r *rand.Rand, steps []string) string {
	var b strings.Builder
	b.WriteString(topsOf[r.Intn(len(topsOf))] + "jobs:\n")
	for i := range 1 + r.Intn(3) {
		fmt.Fprintf(&b, "  job%d:\n    runs-on: ubuntu-latest\n", i)
		if r.Intn(3) == 0 {
			b.WriteString("    env:\n      PASS: ${{ secrets.PASSWORD }}\n      ID: ${{ secrets.ID }}\n")
		}
		if r.Intn(4) == 0 {
			b.WriteString("    permissions: {contents: read}\n")
		}
		b.WriteString("    steps:\n")
		for range 1 + r.Intn(3) {
			b.WriteString(steps[r.Intn(len(steps))] + "\n")
		}
	}
	if r.Intn(8) == 0 {
		return strings.ReplaceAll(b.String(), "\n", "\r\n")
	}
	return b.String()
}

// However logins stand beside each other, no file is refused, what is called automatic goes, and a second pass changes nothing.
func TestLoginsOfOneFileDoNotStandInEachOthersWay(t *testing.T) {
	b, err := os.ReadFile("testdata/combinations.txt")
	if err != nil {
		t.Fatal(err)
	}
	steps := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n====\n")
	for seed := range int64(1500) {
		src := combination(rand.New(rand.NewSource(seed)), steps)
		tree := Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(src)}}}
		for _, level := range []Level{LevelSafe, LevelNeedsReview} {
			o := RewriteOptions{Level: level}
			result := Rewrite(tree, o)
			for _, f := range result.Files {
				checkRewrite(t, f)
				if f.Refused != "" {
					t.Errorf("seed %d, level %d: refused: %s\n%s", seed, level, f.Refused, src)
				}
			}
			checkIdempotent(t, tree, o, result)
			if level == LevelSafe {
				continue
			}
			for _, l := range Scan(applied(tree, result), Options{}).Logins {
				if l.Conversion == inventory.ConversionAutomatic {
					t.Errorf("seed %d: %s %s is still there; left %v\n%s", seed, l.ID, l.Kind, result.Left, src)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}
