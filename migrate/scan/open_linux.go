package scan

import (
	"io"
	"io/fs"
	"os"
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
