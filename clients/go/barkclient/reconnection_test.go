package barkclient

import (
	"errors"
	"testing"
	"time"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

var (
	wasCut     = &Error{Kind: ErrUnavailable, cut: true}
	hasDrained = &Error{Kind: ErrUnavailable}
	isFull     = &Error{Kind: ErrOverloaded, RetryAfter: 3 * time.Second}
	wrongVoice = &Error{Kind: ErrVoiceNotFound}
	started    = &barkservev1.SynthesizeResponse{Response: &barkservev1.SynthesizeResponse_Started{
		Started: &barkservev1.SynthesisStarted{HeartbeatMs: 500},
	}}
	audioArrived = &barkservev1.SynthesizeResponse{Response: &barkservev1.SynthesizeResponse_Audio{
		Audio: &barkservev1.AudioChunk{},
	}}
)

func TestReconnectionRepeatsOnlyCutCalls(t *testing.T) {
	now := time.Unix(1000, 0)
	r := reconnection{limit: DefaultReconnect}
	if _, again := r.next(wasCut, now); again {
		t.Error("a call that was never answered was repeated")
	}
	r.arrived(started)
	if r.silence() != 2*time.Second {
		t.Errorf("silence %s", r.silence())
	}
	for _, failure := range []*Error{hasDrained, wrongVoice, isFull} {
		if _, again := r.next(failure, now); again {
			t.Errorf("%v was repeated", failure.Kind)
		}
	}
	if delay, again := r.next(wasCut, now); !again || delay != firstDelay {
		t.Errorf("%s, %t", delay, again)
	}
	if delay, again := r.next(isFull, now); !again || delay != 3*time.Second {
		t.Errorf("%s, %t", delay, again)
	}
	if _, again := r.next(wrongVoice, now); again {
		t.Error("a wrong voice was tried again")
	}
}

func TestReconnectionEndsAfterItsLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	r := reconnection{limit: DefaultReconnect}
	r.arrived(started)
	var waited time.Duration
	for {
		delay, again := r.next(hasDrainedAfterCut(&r), now.Add(waited))
		if !again {
			break
		}
		waited += delay
	}
	if waited < 28*time.Second || waited > DefaultReconnect {
		t.Errorf("gave up after %s", waited)
	}
	r.arrived(audioArrived)
	if _, again := r.next(wasCut, now.Add(waited)); !again {
		t.Error("audio did not start a new count")
	}
}

func hasDrainedAfterCut(r *reconnection) *Error {
	if r.cutAt.IsZero() {
		return wasCut
	}
	return hasDrained
}

func TestReconnectionEndsIfNothingNewArrives(t *testing.T) {
	now := time.Unix(1000, 0)
	r := reconnection{limit: DefaultReconnect}
	cuts := 0
	for {
		r.arrived(started)
		if _, again := r.next(wasCut, now); !again {
			break
		}
		cuts++
	}
	if cuts != maxCuts {
		t.Errorf("%d cuts", cuts)
	}
}

func TestTranscriptRefusesGaps(t *testing.T) {
	var received transcript
	if _, err := received.push(started); err != nil {
		t.Fatal(err)
	}
	late := &barkservev1.SynthesizeResponse{Response: &barkservev1.SynthesizeResponse_Audio{
		Audio: &barkservev1.AudioChunk{FirstSample: 10},
	}}
	if _, err := received.push(late); !errors.Is(err, ErrServer) {
		t.Errorf("%v", err)
	}
	if _, err := received.push(started); !errors.Is(err, ErrServer) {
		t.Errorf("%v", err)
	}
	if err := received.end(); !errors.Is(err, ErrServer) {
		t.Errorf("%v", err)
	}
}
