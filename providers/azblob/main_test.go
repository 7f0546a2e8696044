package azblob

import (
	"os"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/azurite"
)

// packageLife is what outlives a single test: its cleanups run when all tests are done.
type packageLife struct {
	testing.TB
	ends []func()
}

func (l *packageLife) Cleanup(f func()) { l.ends = append(l.ends, f) }

func (l *packageLife) TempDir() string {
	dir, err := os.MkdirTemp("", "azurite-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

var life packageLife

func startForPackage(t *testing.T) *azurite.Server {
	life.TB = t
	return azurite.Start(&life)
}

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(life.ends) - 1; i >= 0; i-- {
		life.ends[i]()
	}
	os.Exit(code)
}
