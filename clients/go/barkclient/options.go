package barkclient

import (
	"context"
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
)

// DefaultReconnect is how long a call whose connection broke is repeated, until audio arrives again.
const DefaultReconnect = 30 * time.Second

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	secure         bool
	tls            *tls.Config
	token          TokenSource
	plaintextToken bool
	reconnect      time.Duration
	dial           []grpc.DialOption
}

// TokenSource returns the token for one call.
type TokenSource func(context.Context) (string, error)

// WithTLS encrypts the connection. nil trusts the system's certificate authorities.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) { s.secure, s.tls = true, config }
}

// WithToken sends a token with each call, for servers that authenticate.
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource asks for a token before each call, for tokens that expire.
func WithTokenSource(source TokenSource) Option {
	return func(s *settings) { s.token = source }
}

// WithPlaintextToken allows sending the token without encryption to another machine.
func WithPlaintextToken() Option {
	return func(s *settings) { s.plaintextToken = true }
}

// WithReconnect changes how long a call whose connection broke is repeated. 0: it fails at once.
func WithReconnect(limit time.Duration) Option {
	return func(s *settings) { s.reconnect = limit }
}

// WithDialOptions adds options of gRPC, such as interceptors.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}
