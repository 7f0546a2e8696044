//go:build !linux

package scan

import (
	"io/fs"
	"os"
)

// handle is an open file.
type handle struct{ *os.File }

func openFile(name string) (handle, error) {
	f, err := os.Open(name)
	return handle{f}, err
}

func (h handle) close() { _ = h.Close() }

func (h handle) state() (state, error) {
	info, err := h.Stat()
	if err != nil {
		return state{}, err
	}
	return state{regular: info.Mode().IsRegular(), size: info.Size(), changed: info.ModTime().UnixNano()}, nil
}

// eachEntry hands on the entries of a directory, in no order.
func (r *reader) eachEntry(dir string, do func(name string, kind fs.FileMode)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		do(e.Name(), e.Type())
	}
	return nil
}
