package barkclient

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

// response is a message of Synthesize or StreamingSynthesize.
type response interface {
	GetStarted() *barkservev1.SynthesisStarted
	GetAudio() *barkservev1.AudioChunk
	GetWords() *barkservev1.WordTimes
	GetFinished() *barkservev1.SynthesisFinished
}

// responses is the receiving side of an RPC.
type responses[R response] interface {
	Recv() (R, error)
	Trailer() metadata.MD
}

// attempt is one RPC of a synthesis. Another one may continue it.
type attempt[R response] struct {
	ctx    context.Context // the caller's
	cancel context.CancelFunc
	client *Client
	stream responses[R]
	failed error // why it could not start
}

// next receives the next response. io.EOF: the RPC ended well. Any other error is an *Error.
func (a *attempt[R]) next(counted *reconnection) (R, error) {
	var none R
	if a.failed != nil {
		return none, a.failure(a.failed)
	}
	var silent atomic.Bool
	limit := counted.silence()
	if limit > 0 {
		timer := time.AfterFunc(limit, func() {
			silent.Store(true)
			a.cancel()
		})
		defer timer.Stop()
	}
	received, err := a.stream.Recv()
	switch {
	case err == nil:
		counted.arrived(received)
		return received, nil
	case err == io.EOF:
		return none, io.EOF
	case silent.Load():
		return none, a.silent(limit)
	}
	failure := a.failure(err)
	failure.cut = failure.cut && len(a.stream.Trailer().Get(detailsKey)) == 0
	return none, failure
}

func (a *attempt[R]) failure(err error) *Error {
	failure := a.client.failure(a.ctx, err)
	switch failure.status.Code() {
	case codes.Unavailable, codes.Canceled, codes.Internal, codes.Unknown: // Internal: a proxy's RST_STREAM
		failure.cut = true
	}
	return failure
}

func (a *attempt[R]) silent(limit time.Duration) *Error {
	message := fmt.Sprintf("%s sent neither audio nor a heartbeat for %s: check that it runs", a.client.target, limit)
	return &Error{Kind: ErrUnavailable, Message: message, status: status.New(codes.Unavailable, message), cut: true}
}
