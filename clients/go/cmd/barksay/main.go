// Command barksay speaks a text into a WAV file. Its environment may name the server (BARKCLIENT_SERVER) and a token
// (BARKCLIENT_TOKEN), as for barkclient.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/barkserve/barkserve/clients/go/barkclient"
	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

const (
	defaultServer = "localhost:50051"
	usage         = "usage: barksay [flags] TEXT\n"
)

type arguments struct {
	server, voice, out, ca string
	seed                   int64
	speakingRate           float64
	text                   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "barksay:", err)
		os.Exit(1)
	}
}

func parse() arguments {
	var a arguments
	flag.StringVar(&a.server, "server", cmp.Or(os.Getenv("BARKCLIENT_SERVER"), defaultServer), "`HOST:PORT` of the server")
	flag.StringVar(&a.voice, "voice", "", "`name` of the voice; empty: the server's default")
	flag.Int64Var(&a.seed, "seed", -1, "seed of the speech; -1: the server chooses one")
	flag.Float64Var(&a.speakingRate, "speaking-rate", 1, "`speed` at the same pitch, 0.5 to 2")
	flag.StringVar(&a.out, "o", "speech.wav", "`file` to write")
	flag.StringVar(&a.ca, "tls-ca", "", "use TLS and trust the certificate authorities in this PEM `file`")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	a.text = strings.Join(flag.Args(), " ")
	if a.text == "" {
		flag.Usage()
		os.Exit(2)
	}
	return a
}

func run(ctx context.Context, a arguments) error {
	options, err := connection(a)
	if err != nil {
		return err
	}
	client, err := barkclient.Dial(ctx, a.server, options...)
	if err != nil {
		return err
	}
	defer client.Close()
	speech, err := client.Synthesize(ctx, request(a))
	if err != nil {
		return err
	}
	defer speech.Close()
	if err := writeWAV(a.out, speech); err != nil {
		return err
	}
	started, finished := speech.Started(), speech.Finished()
	seconds := float64(finished.GetSampleCount()) / float64(started.GetSampleRateHertz())
	fmt.Printf("%s: %.2f s, voice %s, seed %d\n", a.out, seconds, started.GetVoice(), started.GetSeed())
	return nil
}

func connection(a arguments) ([]barkclient.Option, error) {
	var options []barkclient.Option
	if token := os.Getenv("BARKCLIENT_TOKEN"); token != "" {
		options = append(options, barkclient.WithToken(token))
	}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, err
		}
		trusted := x509.NewCertPool()
		if !trusted.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s is not a PEM file", a.ca)
		}
		options = append(options, barkclient.WithTLS(&tls.Config{RootCAs: trusted}))
	}
	return options, nil
}

func request(a arguments) *barkservev1.SynthesizeRequest {
	r := &barkservev1.SynthesizeRequest{Text: a.text, SpeakingRate: a.speakingRate}
	if a.voice != "" {
		r.Voice = &barkservev1.VoiceSelection{Voice: &barkservev1.VoiceSelection_Name{Name: a.voice}}
	}
	if a.seed >= 0 {
		r.Seed = &a.seed
	}
	return r
}

// writeWAV writes the audio while it arrives. The file is valid even if the speech fails.
func writeWAV(path string, speech *barkclient.Stream) error {
	first, failed := speech.Recv()
	if failed != nil {
		return failed
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	wav, err := newWAVWriter(file, speech.Started().GetSampleRateHertz())
	if err != nil {
		return err
	}
	if _, err := wav.Write(first.GetAudio()); err != nil {
		return err
	}
	_, failed = io.Copy(wav, speech)
	return errors.Join(failed, wav.finish())
}
