package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// handle is an open file. The os package would register each file with the runtime's poller and ask for its flags, which
// costs more than reading a workflow does.
type handle int

func openFile(name string) (handle, error) {
	for {
		fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		switch err {
		case nil:
			return handle(fd), nil
		case syscall.EINTR:
			continue
		}
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
}

func (h handle) close() { _ = syscall.Close(int(h)) }

// Read is that of io.Reader.
func (h handle) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(h), b)
		if err == syscall.EINTR {
			continue
		}
		if n == 0 && err == nil && len(b) > 0 {
			return 0, io.EOF
		}
		return max(n, 0), os.NewSyscallError("read", err)
	}
}

func (h handle) state() (state, error) {
	var s syscall.Stat_t
	for {
		err := syscall.Fstat(int(h), &s)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return state{}, os.NewSyscallError("fstat", err)
		}
		return state{regular: s.Mode&syscall.S_IFMT == syscall.S_IFREG, size: s.Size, changed: s.Mtim.Nano()}, nil
	}
}

// eachEntry hands on the entries of a directory, in no order. As with files, the os package would do more than is needed.
func (r *reader) eachEntry(dir string, do func(name string, kind fs.FileMode)) error {
	h, err := openFile(dir)
	if err != nil {
		return err
	}
	defer h.close()
	buffer := r.room(1, 16<<10)
	for {
		n, err := syscall.ReadDirent(int(h), buffer)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return &fs.PathError{Op: "readdirent", Path: dir, Err: err}
		case n <= 0:
			return nil
		}
		for list := buffer[:n]; len(list) > 0; {
			var name string
			var kind byte
			if name, kind, list = firstEntry(list); name == "" {
				continue
			}
			mode, err := modeOf(kind, dir, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was taken away meanwhile
			}
			if err != nil {
				return err
			}
			do(name, mode)
		}
	}
}

// firstEntry divides the first entry from the others (getdents(2), struct linux_dirent64). It has no name where it is no entry to look at.
func firstEntry(list []byte) (name string, kind byte, rest []byte) {
	const lengthAt, kindAt, nameAt = 16, 18, 19
	if len(list) < nameAt {
		return "", 0, nil
	}
	end := int(binary.NativeEndian.Uint16(list[lengthAt:]))
	if end < nameAt || end > len(list) {
		return "", 0, nil
	}
	own, _, _ := bytes.Cut(list[nameAt:end], []byte{0})
	if binary.NativeEndian.Uint64(list) == 0 || string(own) == "." || string(own) == ".." {
		own = nil
	}
	return string(own), list[kindAt], list[end:]
}

// modeOf gives what an entry is. Some file systems do not list it.
func modeOf(kind byte, dir, name string) (fs.FileMode, error) {
	switch kind {
	case syscall.DT_REG:
		return 0, nil
	case syscall.DT_DIR:
		return fs.ModeDir, nil
	case syscall.DT_UNKNOWN:
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			return 0, err
		}
		return info.Mode().Type(), nil
	}
	return fs.ModeIrregular, nil
}
