package barkclient

import (
	"context"

	"google.golang.org/protobuf/proto"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

// Stream is a text being spoken: an io.Reader of its audio. One goroutine may use it at a time, apart from Close.
type Stream struct {
	ctx          context.Context
	stop         context.CancelFunc
	client       *Client
	request      *barkservev1.SynthesizeRequest
	attempt      *attempt[*barkservev1.SynthesizeResponse]
	reconnection reconnection
	transcript   transcript
	unread       unread
	err          error
}

func newStream(ctx context.Context, client *Client, request *barkservev1.SynthesizeRequest) (*Stream, error) {
	own, stop := context.WithCancel(ctx)
	s := &Stream{
		ctx:          own,
		stop:         stop,
		client:       client,
		request:      proto.Clone(request).(*barkservev1.SynthesizeRequest), // the caller may change its own
		reconnection: reconnection{limit: client.reconnect},
	}
	s.start()
	if s.attempt.failed != nil {
		defer stop()
		return nil, s.attempt.failure(s.attempt.failed)
	}
	return s, nil
}

// Recv returns the next chunk of audio. io.EOF: the text is spoken. Any other error is an *Error.
func (s *Stream) Recv() (*barkservev1.AudioChunk, error) {
	for s.err == nil {
		received, err := s.attempt.next(&s.reconnection)
		if failure, failed := err.(*Error); failed {
			s.err = s.continueAfter(failure)
			continue
		}
		if err != nil { // the end
			s.err = s.transcript.end()
			continue
		}
		chunk, err := s.transcript.push(received)
		if err == nil && chunk != nil {
			return chunk, nil
		}
		s.err = err
	}
	s.stop()
	return nil, s.err
}

// Read reads the next bytes of audio, in the encoding of the request. io.EOF: the text is spoken.
func (s *Stream) Read(into []byte) (int, error) { return s.unread.read(into, s.Recv) }

// Close stops speaking. All stages of the server stop within one step.
func (s *Stream) Close() error {
	s.stop()
	return nil
}

// Started returns what the server decided before it spoke: seed, voice and format. nil before the first chunk.
func (s *Stream) Started() *barkservev1.SynthesisStarted { return s.transcript.started }

// Finished returns how the speech ended. nil before io.EOF.
func (s *Stream) Finished() *barkservev1.SynthesisFinished { return s.transcript.finished }

// Words returns the times of the words spoken so far, if the request set word_times.
func (s *Stream) Words() []*barkservev1.WordTime { return s.transcript.words }

// continueAfter calls the server again after a failure. It returns the failure if it does not.
func (s *Stream) continueAfter(failure *Error) error {
	if err := s.reconnection.wait(s.ctx, failure); err != nil {
		return err
	}
	s.attempt.cancel()
	s.start()
	return nil
}

func (s *Stream) start() {
	ctx, cancel := context.WithCancel(s.ctx)
	stream, err := s.client.speech.Synthesize(ctx, resumed(s.request, s.transcript.resume()))
	s.attempt = &attempt[*barkservev1.SynthesizeResponse]{
		ctx: s.ctx, cancel: cancel, client: s.client, stream: stream, failed: err,
	}
}
