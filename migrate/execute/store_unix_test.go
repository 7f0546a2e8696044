//go:build unix

package execute

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWhatIsNoFileIsRefusedAtOnce puts what is no file where a file of the state belongs: a pipe would keep the program waiting for
// somebody to write into it.
func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	kinds := map[string]func(path string) error{
		"a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":  func(path string) error { return os.Mkdir(path, 0o700) },
		"a device":     func(path string) error { return os.Symlink("/dev/zero", path) },
	}
	uses := map[string]func(dir string) error{
		JournalFile: func(dir string) error { _, err := OpenJournal(dir, JournalOptions{}); return err },
		LockFile:    func(dir string) error { _, err := OpenJournal(dir, JournalOptions{}); return err },
		"read":      func(dir string) error { _, err := ReadJournal(dir); return err },
		"plan.json": func(dir string) error {
			_, _, err := NewDirStore(dir).Load(context.Background(), "plan.json")
			return err
		},
	}
	for kind, put := range kinds {
		for name, use := range uses {
			t.Run(strings.TrimPrefix(kind, "a ")+" as "+name, func(t *testing.T) {
				dir, file := t.TempDir(), name
				if name == "read" {
					file = JournalFile
				}
				if err := put(filepath.Join(dir, file)); err != nil {
					t.Skip(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- use(dir) }()
				select {
				case err := <-ended:
					if err == nil || !strings.Contains(err.Error(), file+" is "+kind+", not a file: move it away") {
						t.Errorf("it gives %v", err)
					}
				case <-time.After(10 * time.Second):
					t.Error("it hangs")
				}
			})
		}
	}
}

func TestAStateThatIsALinkWorksWhereItLeads(t *testing.T) {
	real, link := t.TempDir(), filepath.Join(t.TempDir(), "state")
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	j := openTest(t, link)
	appendTest(t, j, 2)
	if records, err := ReadJournal(real); err != nil || len(records) != 2 {
		t.Errorf("behind the link there are %d records, %v", len(records), err)
	}
	_, err := OpenJournal(real, JournalOptions{})
	if err == nil || !strings.Contains(err.Error(), "in use by") {
		t.Errorf("by its other name it can be opened a second time: %v", err)
	}
}
