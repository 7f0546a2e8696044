package scan

import (
	"errors"
	"fmt"
	"io"
	"os"
)

var errNotRegular = errors.New("it is no regular file")

// localFile is a file that the walk has found.
type localFile struct {
	path    string // with slashes, below the directory that is scanned
	regular bool   // the directory says that it is a regular file
}

// state is what of an open file tells whether it has changed.
type state struct {
	regular bool
	size    int64
	changed int64 // when, in nanoseconds
}

// reader reads files, one after another, into the same memory.
type reader struct {
	buffer []byte
	kept   []byte
	loaded []loaded // of the group that is read
	opened func()   // called between the look at a file's size and the reading, where it is set
}

// usualRoom is as much as nearly all files need.
const usualRoom = 32 << 10

// keep copies what was read to memory that forget makes free for what is read next.
func (r *reader) keep(content []byte) []byte {
	if cap(r.kept)-len(r.kept) < len(content) {
		r.kept = make([]byte, 0, max(len(content), usualRoom)) // what is in the memory before stays as it is
	}
	at := len(r.kept)
	r.kept = append(r.kept, content...)
	return r.kept[at:len(r.kept):len(r.kept)]
}

func (r *reader) forget() { r.kept = r.kept[:0] }

// room gives memory for so many bytes that are read next. What has to be made is made for the usual number.
func (r *reader) room(size, usual int) []byte {
	if cap(r.buffer) < size {
		r.buffer = make([]byte, max(size, usual))
	}
	return r.buffer[:cap(r.buffer)]
}

// read reads a regular file of bounded size that does not change while it is read. The content is valid until the next read.
func (r *reader) read(name string, regular bool) ([]byte, error) {
	if !regular {
		// Opening a pipe waits for its writer, so what it is is asked before.
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, errNotRegular
		}
	}
	f, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	before, err := f.state()
	if err != nil {
		return nil, err
	}
	if !before.regular {
		return nil, errNotRegular
	}
	if before.size > MaxFileSize {
		return nil, fmt.Errorf("the file has %d bytes, more than the %d that a workflow can have", before.size, MaxFileSize)
	}
	if r.opened != nil {
		r.opened()
	}
	content := r.room(int(before.size), usualRoom)[:before.size]
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, fmt.Errorf("the file changed while it was read: %w", err)
	}
	after, err := f.state()
	if err != nil {
		return nil, err
	}
	if after != before {
		return nil, errors.New("the file changed while it was read")
	}
	return content, nil
}
