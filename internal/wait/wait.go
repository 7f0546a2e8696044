// Package wait lets time pass, as long as somebody still wants to wait.
package wait

import (
	"context"
	"time"
)

// For waits a duration, or until the context ends, whose error it then gives.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
