package barkclient

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

var errTextEnded = errors.New("the text of this context has ended: open another one")

// SpeechContext is one text of a StreamingCall. Text is written to it, and its audio is read from it: it is an
// io.Writer and an io.Reader. One goroutine may write while another one reads.
//
// Writing never blocks. Text that is written after Cancel or after a failure is dropped: Recv returns the failure.
type SpeechContext struct {
	call *StreamingCall
	id   string

	// Guarded by call.mu.
	sent       []*barkservev1.StreamingSynthesizeRequest // what another call must get again
	transcript transcript
	chunks     []*barkservev1.AudioChunk
	flushed    map[string]bool
	flushes    int
	err        error
	ended      bool
	cancelled  bool

	unread unread
}

// Write sends more text, as UTF-8 bytes that may be cut inside a character.
func (s *SpeechContext) Write(text []byte) (int, error) {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	if s.ended {
		return 0, errTextEnded
	}
	s.send(&barkservev1.StreamingSynthesizeRequest{
		Request: &barkservev1.StreamingSynthesizeRequest_Utf8{Utf8: bytes.Clone(text)},
	})
	return len(text), nil
}

// WriteString sends more text. It may start and end anywhere, also inside a word.
func (s *SpeechContext) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// Flush speaks all text written so far, without waiting for the end of a sentence. WaitFlushed takes the id.
func (s *SpeechContext) Flush() string {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	s.flushes++
	id := strconv.Itoa(s.flushes)
	s.send(&barkservev1.StreamingSynthesizeRequest{
		Request: &barkservev1.StreamingSynthesizeRequest_Flush{Flush: &barkservev1.Flush{FlushId: id}},
	})
	return id
}

// End ends the text. Audio of what was written still arrives.
func (s *SpeechContext) End() {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	if !s.ended {
		s.send(&barkservev1.StreamingSynthesizeRequest{
			Request: &barkservev1.StreamingSynthesizeRequest_End{End: &barkservev1.End{}},
		})
	}
	s.ended = true
}

// Cancel stops speaking and drops the audio that has not been received. Recv then returns io.EOF, and
// Finished().SampleCount is the number of samples that the server had sent.
func (s *SpeechContext) Cancel() {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	s.send(&barkservev1.StreamingSynthesizeRequest{
		Request: &barkservev1.StreamingSynthesizeRequest_Cancel{Cancel: &barkservev1.Cancel{}},
	})
	s.cancelled, s.chunks = true, nil
}

// Recv returns the next chunk of audio. io.EOF: the text is spoken. Any other error is an *Error.
func (s *SpeechContext) Recv() (*barkservev1.AudioChunk, error) {
	var chunk *barkservev1.AudioChunk
	var end error
	failed := s.call.wait(func() bool {
		chunk, end = s.take()
		return chunk != nil || end != nil
	})
	if failed != nil {
		return nil, failed
	}
	return chunk, end
}

// Read reads the next bytes of audio, in the encoding of the options. io.EOF: the text is spoken.
func (s *SpeechContext) Read(into []byte) (int, error) { return s.unread.read(into, s.Recv) }

// WaitFlushed waits until all audio of the text before a flush has arrived, or the context is over. The audio can still
// be read.
func (s *SpeechContext) WaitFlushed(id string) error {
	return s.call.wait(func() bool { return s.flushed[id] || s.isOver() })
}

// Started returns what the server decided before it spoke: seed, voice and format. nil before the first chunk.
func (s *SpeechContext) Started() *barkservev1.SynthesisStarted {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	return s.transcript.started
}

// Finished returns how the speech ended. nil before io.EOF.
func (s *SpeechContext) Finished() *barkservev1.SynthesisFinished {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	return s.transcript.finished
}

// Words returns the times of the words spoken so far, if the options set word_times.
func (s *SpeechContext) Words() []*barkservev1.WordTime {
	s.call.mu.Lock()
	defer s.call.mu.Unlock()
	return slices.Clone(s.transcript.words)
}

func (s *SpeechContext) send(request *barkservev1.StreamingSynthesizeRequest) {
	if s.cancelled || s.isOver() {
		return
	}
	request.ContextId = s.id
	s.sent = append(s.sent, request)
	s.call.outgoing.add(request)
}

// take returns a chunk that has arrived, or why none will come. Neither: the reader must wait.
func (s *SpeechContext) take() (*barkservev1.AudioChunk, error) {
	switch {
	case len(s.chunks) > 0:
		chunk := s.chunks[0]
		s.chunks = s.chunks[1:]
		return chunk, nil
	case s.err != nil:
		return nil, s.err
	case s.transcript.finished != nil:
		return nil, io.EOF
	}
	return nil, nil
}

func (s *SpeechContext) push(received *barkservev1.StreamingSynthesizeResponse) {
	if failure := received.GetError(); failure != nil {
		s.err = fromStatus(status.FromProto(failure), s.call.client.target)
		return
	}
	if done := received.GetFlushDone(); done != nil {
		s.flushed[done.GetFlushId()] = true
		return
	}
	chunk, err := s.transcript.push(received)
	if err != nil {
		s.err = err
	} else if chunk != nil && !s.cancelled {
		s.chunks = append(s.chunks, chunk)
	}
}

func (s *SpeechContext) isOver() bool { return s.err != nil || s.transcript.finished != nil }

// requestsAgain returns the requests that continue this context in another call.
func (s *SpeechContext) requestsAgain() []*barkservev1.StreamingSynthesizeRequest {
	opening := proto.Clone(s.sent[0].GetConfig()).(*barkservev1.StreamingConfig)
	opening.Options = resumed(opening.GetOptions(), s.transcript.resume())
	again := []*barkservev1.StreamingSynthesizeRequest{{
		ContextId: s.id,
		Request:   &barkservev1.StreamingSynthesizeRequest_Config{Config: opening},
	}}
	for _, each := range s.sent[1:] {
		if flush := each.GetFlush(); flush == nil || !s.flushed[flush.GetFlushId()] {
			again = append(again, each)
		}
	}
	return again
}
