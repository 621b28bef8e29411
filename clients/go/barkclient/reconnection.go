package barkclient

import (
	"context"
	"time"
)

const (
	firstDelay      = 100 * time.Millisecond
	maxDelay        = time.Second
	maxCuts         = 3
	silentIntervals = 2
	silenceMargin   = time.Second
)

// reconnection decides whether and when a cut call is repeated. It performs no I/O.
type reconnection struct {
	limit     time.Duration // 0: a call is not repeated
	connected bool          // the server has answered once
	answered  bool          // the present call has been answered
	cutAt     time.Time     // zero: something new has arrived since
	cuts      int           // answered calls that were cut without anything new
	delay     time.Duration
	heartbeat time.Duration
}

// silence returns the time without a message after which a server does not answer any more; 0: never.
func (r *reconnection) silence() time.Duration {
	if r.heartbeat == 0 {
		return 0
	}
	return silentIntervals*r.heartbeat + silenceMargin
}

// arrived counts a response.
func (r *reconnection) arrived(received response) {
	r.connected, r.answered = true, true
	if started := received.GetStarted(); started != nil {
		r.heartbeat = time.Duration(started.GetHeartbeatMs()) * time.Millisecond
		return
	}
	r.cutAt, r.cuts, r.delay = time.Time{}, 0, firstDelay
}

// next returns the time to wait before the call is repeated, and whether it is repeated at all. A call that the server
// has never answered is not repeated: gRPC has tried that already.
func (r *reconnection) next(failure *Error, now time.Time) (time.Duration, bool) {
	if !r.connected || r.limit == 0 {
		return 0, false
	}
	if r.cutAt.IsZero() {
		if !failure.cut {
			return 0, false
		}
		r.cutAt = now
	} else if !failure.cut && !failure.Retryable() {
		return 0, false
	}
	if r.answered {
		r.cuts++
	}
	r.answered = false
	delay := max(r.delay, firstDelay)
	r.delay = min(maxDelay, 2*delay)
	if failure.RetryAfter > 0 {
		delay = failure.RetryAfter
	}
	return delay, r.cuts <= maxCuts && !now.Add(delay).After(r.cutAt.Add(r.limit))
}

// wait waits before the call is repeated. It returns the failure if the call is not repeated.
func (r *reconnection) wait(ctx context.Context, failure *Error) error {
	delay, again := r.next(failure, time.Now())
	if !again || ctx.Err() != nil {
		return failure
	}
	select {
	case <-ctx.Done():
		return failure
	case <-time.After(delay):
		return nil
	}
}
