package barkclient

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	barkservev1 "github.com/barkserve/barkserve/clients/go/barkserve/v1"
)

const (
	maxMessageBytes = 16 << 20
	windowBytes     = 64 << 10 // about a second of audio: the server notices a reader that stops
	// gRPC itself retries a call that fails before its first response. A replica that drains is thus replaced by
	// another one at the same address.
	serviceConfig = `{
		"methodConfig": [{
			"name": [
				{"service": "barkserve.v1.SpeechService", "method": "Synthesize"},
				{"service": "barkserve.v1.SpeechService", "method": "StreamingSynthesize"},
				{"service": "barkserve.v1.SpeechService", "method": "ListVoices"},
				{"service": "barkserve.v1.SpeechService", "method": "GetVoice"},
				{"service": "barkserve.v1.SpeechService", "method": "GetServerInfo"}
			],
			"retryPolicy": {
				"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 3,
				"retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
			}
		}],
		"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
	}`
)

// Client calls one server. Several goroutines may use it at the same time.
type Client struct {
	conn      *grpc.ClientConn
	speech    barkservev1.SpeechServiceClient
	target    string
	reconnect time.Duration
}

// Dial connects to the server at target: HOST:PORT of the orchestrator, several as ipv4:ADDRESS:PORT,ADDRESS:PORT, or
// any other name that gRPC resolves. ctx limits the time to connect. The connection is plaintext without WithTLS.
func Dial(ctx context.Context, address string, options ...Option) (*Client, error) {
	chosen := settings{reconnect: DefaultReconnect}
	for _, option := range options {
		option(&chosen)
	}
	server := target(address)
	if err := server.check(); err != nil {
		return nil, err
	}
	if chosen.token != nil && !chosen.secure && !chosen.plaintextToken && !server.isLoopback() {
		return nil, invalid("token", "it would be sent to "+address+
			" without encryption: use WithTLS, or allow it with WithPlaintextToken")
	}
	dialTarget, more := server.dialTarget()
	conn, err := grpc.NewClient(dialTarget, append(more, dialOptions(chosen)...)...)
	if err != nil {
		return nil, invalid("target", err.Error())
	}
	client := &Client{
		conn:      conn,
		speech:    barkservev1.NewSpeechServiceClient(conn),
		target:    address,
		reconnect: chosen.reconnect,
	}
	if err := client.connect(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return client, nil
}

func dialOptions(chosen settings) []grpc.DialOption {
	transport := insecure.NewCredentials()
	if chosen.secure {
		transport = credentials.NewTLS(chosen.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes),
		),
		grpc.WithInitialWindowSize(windowBytes),
		grpc.WithInitialConnWindowSize(maxMessageBytes),
		// The shortest interval that gRPC for Go has. Heartbeats of the server detect a lost one sooner.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 3 * time.Second, // a hung server accepts connections
		}),
	}
	if chosen.token != nil {
		options = append(options, grpc.WithPerRPCCredentials(tokenCredentials{chosen.token}))
	}
	return append(options, chosen.dial...)
}

// connect waits for the connection. Any answer shows that there is a server.
func (c *Client) connect(ctx context.Context) error {
	_, err := healthv1.NewHealthClient(c.conn).Check(ctx, &healthv1.HealthCheckRequest{})
	if err == nil {
		return nil
	}
	failure := c.failure(ctx, err)
	for _, kind := range []error{ErrUnavailable, ErrDeadlineExceeded, ErrCancelled} {
		if errors.Is(failure, kind) {
			return failure
		}
	}
	return nil
}

// Close cancels all calls and closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Conn returns the connection, for the server's other services.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Synthesize speaks a text of any length. The stream ends with io.EOF. Close it, or cancel ctx, to stop earlier.
func (c *Client) Synthesize(ctx context.Context, request *barkservev1.SynthesizeRequest) (*Stream, error) {
	if err := checkText("text", request.GetText()); err != nil {
		return nil, err
	}
	return newStream(ctx, c, request)
}

// StreamingSynthesize starts a call that speaks text while it is being written, in one or more contexts. ctx applies to
// the whole call. Close the call, or cancel ctx, to release it.
func (c *Client) StreamingSynthesize(ctx context.Context) (*StreamingCall, error) {
	return newStreamingCall(ctx, c)
}

// ListVoices lists the named voices.
func (c *Client) ListVoices(
	ctx context.Context, request *barkservev1.ListVoicesRequest,
) (*barkservev1.ListVoicesResponse, error) {
	return unary(ctx, c, c.speech.ListVoices, request)
}

// GetVoice describes one voice.
func (c *Client) GetVoice(
	ctx context.Context, request *barkservev1.GetVoiceRequest,
) (*barkservev1.GetVoiceResponse, error) {
	return unary(ctx, c, c.speech.GetVoice, request)
}

// CreateVoice stores a voice under a name, for all replicas of the server.
func (c *Client) CreateVoice(
	ctx context.Context, request *barkservev1.CreateVoiceRequest,
) (*barkservev1.CreateVoiceResponse, error) {
	return unary(ctx, c, c.speech.CreateVoice, request)
}

// DeleteVoice deletes a stored voice.
func (c *Client) DeleteVoice(
	ctx context.Context, request *barkservev1.DeleteVoiceRequest,
) (*barkservev1.DeleteVoiceResponse, error) {
	return unary(ctx, c, c.speech.DeleteVoice, request)
}

// GetServerInfo describes the server: version, model, formats and limits.
func (c *Client) GetServerInfo(
	ctx context.Context, request *barkservev1.GetServerInfoRequest,
) (*barkservev1.GetServerInfoResponse, error) {
	return unary(ctx, c, c.speech.GetServerInfo, request)
}

func unary[Request, Response any](
	ctx context.Context,
	c *Client,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request Request,
) (Response, error) {
	response, err := method(ctx, request)
	if err != nil {
		return response, c.failure(ctx, err)
	}
	return response, nil
}

// failure returns the error for a failed RPC.
func (c *Client) failure(ctx context.Context, err error) *Error {
	failure := fromRPC(err, c.target)
	failure.cause = ctx.Err()
	return failure
}

// checkText returns an error for a text that gRPC cannot encode.
func checkText(field, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return invalid(field, "it is not UTF-8")
}
