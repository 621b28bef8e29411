package barkclient

import (
	"context"
	"strings"
)

// tokenCredentials sends a token with each call. Dial has checked that others cannot read it.
type tokenCredentials struct{ source TokenSource }

// GetRequestMetadata returns the header with the token.
func (c tokenCredentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := c.source(ctx)
	if err != nil {
		return nil, err
	}
	if !canBeSent(token) {
		return nil, invalid("token", "it must consist of printable ASCII characters without spaces").status.Err()
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity returns false, because Dial decides.
func (c tokenCredentials) RequireTransportSecurity() bool { return false }

func canBeSent(token string) bool {
	return token != "" && strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
