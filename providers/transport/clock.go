package transport

import (
	"net/http"
	"sync"
	"time"
)

// skewTolerated is the difference between our clock and a server's that is taken for network delay and the
// Date header's resolution of a second (RFC 9110, section 6.6.1).
const skewTolerated = 2 * time.Second

type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

// learn takes the server's time from an answer that was asked for at sent and came at received.
func (c *clock) learn(h http.Header, sent, received time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	local := sent.Add(received.Sub(sent) / 2)
	offset := date.Add(500 * time.Millisecond).Sub(local)
	if offset.Abs() <= skewTolerated {
		offset = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// Now is the time of the servers as their last answer told it, in UTC: the local time until one has answered,
// and where the two differ by no more than two seconds.
func (t *Transport) Now() time.Time {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return time.Now().Add(t.clock.offset).UTC()
}
