//go:build !linux

package scan

import "os"

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
