package barkclient

import (
	"io"

	"google.golang.org/protobuf/proto"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

// transcript is what has arrived of one synthesis. A gap in the audio is an error. It performs no I/O.
type transcript struct {
	started     *barkservev1.SynthesisStarted
	finished    *barkservev1.SynthesisFinished
	words       []*barkservev1.WordTime
	segments    []*barkservev1.SpokenSegment
	sampleCount int64
	byteCount   int64
	resuming    bool // the new call has not started
}

// push processes the next response. It returns the audio of an audio response.
func (t *transcript) push(received response) (*barkservev1.AudioChunk, error) {
	started, audio := received.GetStarted(), received.GetAudio()
	words, finished := received.GetWords(), received.GetFinished()
	switch {
	case started == nil && audio == nil && words == nil && finished == nil:
		return nil, nil // a heartbeat, or a response that only a newer client knows
	case started != nil && t.resuming:
		t.resuming = false // the server has compared it with the first one
		return nil, nil
	case !t.isExpected(started, finished):
		return nil, protocolError("unexpected response %v", received)
	case started != nil:
		t.started = started
	case audio != nil:
		return audio, t.addAudio(audio)
	case words != nil:
		t.words = append(t.words, words.GetWords()...)
	case finished != nil:
		return nil, t.finish(finished)
	}
	return nil, nil
}

// isExpected: `started` comes first, unless the synthesis was cancelled before it started.
func (t *transcript) isExpected(
	started *barkservev1.SynthesisStarted, finished *barkservev1.SynthesisFinished,
) bool {
	if t.finished != nil {
		return false
	}
	if finished.GetFinishReason() == barkservev1.FinishReason_FINISH_REASON_CANCELLED {
		return true
	}
	return (started != nil) == (t.started == nil)
}

func (t *transcript) addAudio(audio *barkservev1.AudioChunk) error {
	if audio.GetFirstSample() != t.sampleCount {
		return protocolError("audio is missing: expected sample %d, received %d", t.sampleCount, audio.GetFirstSample())
	}
	t.sampleCount += audio.GetSampleCount()
	t.byteCount += int64(len(audio.GetAudio()))
	t.segments = append(t.segments, audio.GetSegments()...)
	return nil
}

func (t *transcript) finish(finished *barkservev1.SynthesisFinished) error {
	if finished.GetSampleCount() != t.sampleCount {
		return protocolError("audio is missing: received %d of %d samples", t.sampleCount, finished.GetSampleCount())
	}
	t.finished = finished
	return nil
}

// resume expects a new call. It returns what that call must continue after; nil: nothing has arrived.
func (t *transcript) resume() *barkservev1.Resume {
	if t.started == nil {
		return nil
	}
	t.resuming = true
	return &barkservev1.Resume{
		Started:     t.started,
		Segments:    t.segments,
		SampleCount: t.sampleCount,
		ByteCount:   t.byteCount,
		WordCount:   int64(len(t.words)),
	}
}

// end returns io.EOF if a stream may end here.
func (t *transcript) end() error {
	if t.finished == nil {
		return errEndedEarly
	}
	return io.EOF
}

// resumed returns the request that continues a synthesis. A nil resume changes nothing.
func resumed(
	request *barkservev1.SynthesizeRequest, resume *barkservev1.Resume,
) *barkservev1.SynthesizeRequest {
	if resume == nil {
		return request
	}
	changed := proto.Clone(request).(*barkservev1.SynthesizeRequest)
	changed.Resume = resume
	return changed
}

// unread is audio that has arrived and was not read.
type unread []byte

// read implements io.Reader on chunks.
func (u *unread) read(into []byte, recv func() (*barkservev1.AudioChunk, error)) (int, error) {
	for len(*u) == 0 && len(into) > 0 {
		chunk, err := recv()
		if err != nil {
			return 0, err
		}
		*u = chunk.GetAudio()
	}
	count := copy(into, *u)
	*u = (*u)[count:]
	return count, nil
}
