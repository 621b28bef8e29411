package barkclient

import (
	"context"
	"sync"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

// outgoing is the requests of one RPC that are not sent yet. Adding to it never blocks.
type outgoing struct {
	mu       sync.Mutex
	changed  *sync.Cond
	requests []*barkservev1.StreamingSynthesizeRequest
	ended    bool // nothing will be added
}

func newOutgoing(requests []*barkservev1.StreamingSynthesizeRequest, ended bool) *outgoing {
	o := &outgoing{requests: requests, ended: ended}
	o.changed = sync.NewCond(&o.mu)
	return o
}

func (o *outgoing) add(request *barkservev1.StreamingSynthesizeRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, request)
	o.changed.Signal()
}

// end half-closes the RPC after the last request.
func (o *outgoing) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed.Signal()
}

// send sends the requests until the end, or until the context of the RPC is done.
func (o *outgoing) send(ctx context.Context, stream barkservev1.SpeechService_StreamingSynthesizeClient) {
	stop := context.AfterFunc(ctx, o.drop)
	defer stop()
	for {
		request := o.next()
		if request == nil {
			_ = stream.CloseSend() // never fails
			return
		}
		if stream.Send(request) != nil { // Recv returns the reason
			return
		}
	}
}

// next waits for a request. nil: the last one was sent.
func (o *outgoing) next() *barkservev1.StreamingSynthesizeRequest {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.requests) == 0 {
		if o.ended {
			return nil
		}
		o.changed.Wait()
	}
	request := o.requests[0]
	o.requests = o.requests[1:]
	return request
}

func (o *outgoing) drop() {
	o.mu.Lock()
	o.requests = nil
	o.mu.Unlock()
	o.end()
}
