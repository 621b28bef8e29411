package barkclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc/status"

	"github.com/barkserve/barkserve/clients/go/barkclient"
	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

const (
	firstText  = "hello the world. "
	secondText = "The fox, it laughs. So do I."
	seed       = int64(1)
	timeout    = 4 * time.Minute // generous for a loaded machine
)

// The tests in this file need a server. tests/go/test_go_client.py starts it and sets these variables.
const (
	serverVariable = "BARKCLIENT_SERVER"    // any server
	fullVariable   = "BARKSERVE_ONE_STREAM" // a server with --max-streams 1
	pairVariable   = "BARKSERVE_PAIR"       // ipv4:FIRST,SECOND
	pidVariable    = "BARKSERVE_FIRST_PID"  // of the first orchestrator
)

func dial(t *testing.T, variable string) (context.Context, *barkclient.Client) {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" {
		t.Skipf("%s names no server", variable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	client, err := barkclient.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return ctx, client
}

func options(text string) *barkservev1.SynthesizeRequest {
	own := seed
	return &barkservev1.SynthesizeRequest{
		Text:      text,
		Seed:      &own,
		Voice:     &barkservev1.VoiceSelection{Voice: &barkservev1.VoiceSelection_Name{Name: "none"}},
		WordTimes: true,
	}
}

func config() *barkservev1.StreamingConfig {
	patience := int32(60_000)
	return &barkservev1.StreamingConfig{Options: options(""), MaxDelayMs: &patience}
}

func speak(t *testing.T, ctx context.Context, client *barkclient.Client, text string) []byte {
	t.Helper()
	stream, err := client.Synthesize(ctx, options(text))
	if err != nil {
		t.Fatal(err)
	}
	audio, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

func write(t *testing.T, speech *barkclient.SpeechContext, text string) {
	t.Helper()
	if _, err := speech.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func words(times []*barkservev1.WordTime) string {
	var found []string
	for _, each := range times {
		found = append(found, each.GetWord())
	}
	return strings.Join(found, " ")
}

func TestStreamEndsWithItsReport(t *testing.T) {
	ctx, client := dial(t, serverVariable)
	stream, err := client.Synthesize(ctx, options(firstText))
	if err != nil {
		t.Fatal(err)
	}
	if stream.Started() != nil || stream.Finished() != nil {
		t.Error("the stream has started before its first chunk")
	}
	audio, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	if stream.Started().GetSeed() != seed || stream.Started().GetSampleRateHertz() != 24_000 {
		t.Errorf("started: %v", stream.Started())
	}
	if samples := stream.Finished().GetSampleCount(); samples == 0 || int(samples)*2 != len(audio) {
		t.Errorf("%d bytes, %d samples", len(audio), samples)
	}
	if found := words(stream.Words()); found != "hello the world" {
		t.Errorf("words %q", found)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestContextsSpeakWhatSynthesizeSpeaks(t *testing.T) {
	ctx, client := dial(t, serverVariable)
	whole, other := speak(t, ctx, client, firstText+secondText), speak(t, ctx, client, secondText)
	call, err := client.StreamingSynthesize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	first, second := open(t, call), open(t, call)
	heard := make(chan []byte)
	go func() { // another goroutine reads
		audio, err := io.ReadAll(second)
		if err != nil {
			t.Error(err)
		}
		heard <- audio
	}()
	write(t, second, secondText)
	second.End()
	write(t, first, firstText)
	if err := first.WaitFlushed(first.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(first, iotest.OneByteReader(strings.NewReader(secondText))); err != nil {
		t.Fatal(err)
	}
	first.End()
	audio, err := io.ReadAll(first)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(audio, whole) {
		t.Error("the first context speaks something else")
	}
	if !bytes.Equal(<-heard, other) {
		t.Error("the second context speaks something else")
	}
	if _, err := first.WriteString("more"); err == nil {
		t.Error("text was accepted after the end")
	}
}

func open(t *testing.T, call *barkclient.StreamingCall) *barkclient.SpeechContext {
	t.Helper()
	speech, err := call.Open(config())
	if err != nil {
		t.Fatal(err)
	}
	return speech
}

func TestCancelledContextLeavesTheOthers(t *testing.T) {
	ctx, client := dial(t, serverVariable)
	whole := speak(t, ctx, client, secondText)
	call, err := client.StreamingSynthesize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	cancelled, other := open(t, call), open(t, call)
	write(t, cancelled, strings.Repeat(firstText, 500))
	write(t, other, secondText)
	other.End()
	if _, err := cancelled.Recv(); err != nil {
		t.Fatal(err)
	}
	cancelled.Cancel()
	if _, err := cancelled.Recv(); err != io.EOF {
		t.Errorf("after Cancel: %v", err)
	}
	reason := cancelled.Finished().GetFinishReason()
	if reason != barkservev1.FinishReason_FINISH_REASON_CANCELLED {
		t.Errorf("finished: %v", cancelled.Finished())
	}
	if audio, err := io.ReadAll(other); err != nil || !bytes.Equal(audio, whole) {
		t.Errorf("the other context: %v", err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	ctx, client := dial(t, serverVariable)
	unknown := options("hello")
	unknown.Voice.Voice = &barkservev1.VoiceSelection_Name{Name: "v2/nobody"}
	wrong := options("hello")
	wrong.Semantic = &barkservev1.SemanticOptions{
		Sampling: &barkservev1.Sampling{Temperature: float32Of(-1)},
	}
	notText := options("\xff")
	for _, each := range []struct {
		request *barkservev1.SynthesizeRequest
		kind    error
		field   string
	}{
		{unknown, barkclient.ErrVoiceNotFound, ""},
		{wrong, barkclient.ErrInvalidRequest, "semantic.sampling.temperature"},
		{notText, barkclient.ErrInvalidRequest, "text"},
	} {
		err := failureOf(ctx, client, each.request)
		if !errors.Is(err, each.kind) {
			t.Errorf("%v, want %v", err, each.kind)
			continue
		}
		var failure *barkclient.Error
		if errors.As(err, &failure); each.field != "" && failure.Violations[0].Field != each.field {
			t.Errorf("violations %v", failure.Violations)
		}
		if status.Code(err) != failure.GRPCStatus().Code() {
			t.Errorf("code %s", status.Code(err))
		}
	}
	call, err := client.StreamingSynthesize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	speech, err := call.Open(&barkservev1.StreamingConfig{Options: unknown})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := speech.Recv(); !errors.Is(err, barkclient.ErrVoiceNotFound) {
		t.Errorf("context: %v", err)
	}
	if _, err := client.GetVoice(ctx, &barkservev1.GetVoiceRequest{Name: "v2/nobody"}); !errors.Is(
		err, barkclient.ErrVoiceNotFound,
	) {
		t.Errorf("GetVoice: %v", err)
	}
}

func float32Of(value float32) *float32 { return &value }

func failureOf(
	ctx context.Context, client *barkclient.Client, request *barkservev1.SynthesizeRequest,
) error {
	stream, err := client.Synthesize(ctx, request)
	if err != nil {
		return err
	}
	_, err = io.ReadAll(stream)
	return err
}

func TestDialNamesTheServerThatIsAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := barkclient.Dial(ctx, "127.0.0.1:1")
	if !errors.Is(err, barkclient.ErrUnavailable) ||
		err.Error() != "nothing answers at 127.0.0.1:1: start one with `barkserve up`" {
		t.Errorf("%v", err)
	}
}

func TestCancellationFreesTheSlot(t *testing.T) {
	ctx, client := dial(t, fullVariable)
	running, cancel := context.WithCancel(ctx)
	long, err := client.Synthesize(running, options(strings.Repeat(firstText, 500)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.Recv(); err != nil {
		t.Fatal(err)
	}
	var full *barkclient.Error
	err = failureOf(ctx, client, options(firstText))
	if !errors.As(err, &full) || full.Kind != barkclient.ErrOverloaded || full.RetryAfter <= 0 {
		t.Fatalf("second stream: %v", err)
	}
	cancel()
	if _, err := io.ReadAll(long); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled stream: %v", err)
	}
	for {
		err := failureOf(ctx, client, options(firstText))
		if err == nil {
			return
		}
		if !errors.Is(err, barkclient.ErrOverloaded) {
			t.Fatal(err) // also after the timeout
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestStreamSurvivesAKilledServer(t *testing.T) {
	ctx, client := dial(t, pairVariable)
	whole := speakAtTheSecond(t, ctx)
	stream, err := client.Synthesize(ctx, options(firstText+secondText))
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	killTheFirst(t)
	rest, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	checkResumed(t, append(first.GetAudio(), rest...), whole, words(stream.Words()))
}

func TestContextSurvivesAKilledServer(t *testing.T) {
	ctx, client := dial(t, pairVariable)
	whole := speakAtTheSecond(t, ctx)
	call, err := client.StreamingSynthesize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	speech := open(t, call)
	write(t, speech, firstText)
	if err := speech.WaitFlushed(speech.Flush()); err != nil {
		t.Fatal(err)
	}
	first, err := speech.Recv()
	if err != nil {
		t.Fatal(err)
	}
	killTheFirst(t)
	write(t, speech, secondText) // during the outage
	flush := speech.Flush()
	speech.End()
	rest, err := io.ReadAll(speech)
	if err != nil {
		t.Fatal(err)
	}
	if err := speech.WaitFlushed(flush); err != nil {
		t.Error(err)
	}
	checkResumed(t, append(first.GetAudio(), rest...), whole, words(speech.Words()))
}

// speakAtTheSecond returns what the text sounds like when nothing fails.
func speakAtTheSecond(t *testing.T, ctx context.Context) []byte {
	t.Helper()
	_, second, _ := strings.Cut(os.Getenv(pairVariable), ",")
	client, err := barkclient.Dial(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return speak(t, ctx, client, firstText+secondText)
}

func killTheFirst(t *testing.T) {
	t.Helper()
	pid, err := strconv.Atoi(os.Getenv(pidVariable))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func checkResumed(t *testing.T, audio, whole []byte, spoken string) {
	t.Helper()
	if !bytes.Equal(audio, whole) {
		t.Errorf("%d bytes of audio, want %d equal ones", len(audio), len(whole))
	}
	if spoken != "hello the world The fox it laughs So do I" {
		t.Errorf("words %q", spoken)
	}
}
