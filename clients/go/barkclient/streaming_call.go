package barkclient

import (
	"context"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

// StreamingCall speaks text while it is being written, in any number of contexts. Several goroutines may use it.
//
// Responses are received only while a context waits for one, so the server notices readers that stop. Audio of other
// contexts that arrives meanwhile is kept for their readers.
type StreamingCall struct {
	ctx          context.Context
	stop         context.CancelFunc
	client       *Client
	attempt      *attempt[*barkservev1.StreamingSynthesizeResponse] // of the goroutine that receives
	reconnection reconnection                                       // of the goroutine that receives

	mu        sync.Mutex
	changed   *sync.Cond
	contexts  []*SpeechContext // the open ones
	opened    int
	ended     bool
	outgoing  *outgoing
	receiving bool // a goroutine waits for a response
	err       error
}

func newStreamingCall(ctx context.Context, client *Client) (*StreamingCall, error) {
	own, stop := context.WithCancel(ctx)
	c := &StreamingCall{
		ctx:          own,
		stop:         stop,
		client:       client,
		reconnection: reconnection{limit: client.reconnect},
	}
	c.changed = sync.NewCond(&c.mu)
	c.start()
	if c.attempt.failed != nil {
		defer stop()
		return nil, c.attempt.failure(c.attempt.failed)
	}
	return c, nil
}

// Open starts a context: an independent text with a voice and audio of its own.
func (c *StreamingCall) Open(config *barkservev1.StreamingConfig) (*SpeechContext, error) {
	if err := checkText("options.text", config.GetOptions().GetText()); err != nil {
		return nil, err
	}
	opening := &barkservev1.StreamingConfig{Options: &barkservev1.SynthesizeRequest{}}
	proto.Merge(opening, config)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	s := &SpeechContext{call: c, id: strconv.Itoa(c.opened), flushed: map[string]bool{}}
	c.contexts = append(c.contexts, s)
	s.send(&barkservev1.StreamingSynthesizeRequest{
		Request: &barkservev1.StreamingSynthesizeRequest_Config{Config: opening},
	})
	return s, nil
}

// End sends nothing more: no new contexts, and no more text in open ones. Their audio still arrives.
func (c *StreamingCall) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.outgoing.end()
}

// Close cancels all contexts and releases the call.
func (c *StreamingCall) Close() error {
	c.stop()
	return nil
}

// wait receives responses until ready returns true. ready runs under the lock. One goroutine receives at a time, for all
// contexts; the others wait for what it gets.
func (c *StreamingCall) wait(ready func() bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ready() {
		if c.err != nil {
			return c.err
		}
		if c.receiving {
			c.changed.Wait()
			continue
		}
		c.receiving = true
		c.mu.Unlock()
		received, err := c.receive()
		c.mu.Lock()
		c.receiving = false
		if err != nil {
			c.err = err
			c.stop()
		} else {
			c.push(received)
		}
		c.changed.Broadcast()
	}
	return nil
}

// receive receives one response, over as many calls as it takes.
func (c *StreamingCall) receive() (*barkservev1.StreamingSynthesizeResponse, error) {
	for {
		received, err := c.attempt.next(&c.reconnection)
		if err == nil {
			return received, nil
		}
		failure, failed := err.(*Error)
		if !failed {
			return nil, errEndedEarly
		}
		if err := c.reconnection.wait(c.ctx, failure); err != nil {
			return nil, err
		}
		c.attempt.cancel()
		c.start()
	}
}

// push passes a response to its context. One for a context that is over answers a request that was in flight.
func (c *StreamingCall) push(received *barkservev1.StreamingSynthesizeResponse) {
	for index, each := range c.contexts {
		if each.id != received.GetContextId() {
			continue
		}
		each.push(received)
		if each.isOver() {
			c.contexts = append(c.contexts[:index:index], c.contexts[index+1:]...)
		}
		return
	}
}

// start calls the server, beginning with what continues the open contexts.
func (c *StreamingCall) start() {
	c.mu.Lock()
	var requests []*barkservev1.StreamingSynthesizeRequest
	for _, each := range c.contexts {
		requests = append(requests, each.requestsAgain()...)
	}
	sending := newOutgoing(requests, c.ended)
	c.outgoing = sending
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(c.ctx)
	stream, err := c.client.speech.StreamingSynthesize(ctx)
	c.attempt = &attempt[*barkservev1.StreamingSynthesizeResponse]{
		ctx: c.ctx, cancel: cancel, client: c.client, stream: stream, failed: err,
	}
	if err == nil {
		go sending.send(stream.Context(), stream)
	}
}
