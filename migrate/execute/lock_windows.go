package execute

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is far behind any content (in units of 4 GiB), so that others can read the files: locks are mandatory on Windows.
const lockOffset = 1 << 20

func tryLock(f *os.File) (bool, error) {
	o := &windows.Overlapped{OffsetHigh: lockOffset}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, o)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffset})
}

// syncDir does nothing: Windows keeps directory entries itself.
func syncDir(string) error { return nil }
