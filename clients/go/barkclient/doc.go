// Package barkclient calls barkserve: text in, audio out while it is still being computed.
//
//	client, err := barkclient.Dial(ctx, "localhost:50051")
//	...
//	speech, err := client.Synthesize(ctx, &barkservev1.SynthesizeRequest{Text: "Hello!"})
//	...
//	io.Copy(file, speech) // 16-bit PCM at 24 kHz
//
// [Stream] and [SpeechContext] are io.Readers of the audio. Their Recv methods return it chunk by chunk, with its
// position in the speech and in the text. The messages are those of barkserve.v1 (speech.proto), which documents the
// unit, the range and the default of each field.
//
// A call whose connection breaks is repeated for up to [DefaultReconnect]. The audio continues at the exact byte.
//
// Failed calls return an [Error]. errors.Is finds its kind, such as [ErrOverloaded].
package barkclient
