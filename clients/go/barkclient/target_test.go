package barkclient

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestTargetsAreChecked(t *testing.T) {
	for address, valid := range map[target]bool{
		"localhost:50051":              true,
		"[::1]:50051":                  true,
		"dns:///bark.speech.svc:50051": true,
		"unix:/run/bark.sock":          true,
		"ipv4:127.0.0.1:1,127.0.0.1:2": true,
		"localhost":                    false,
		"http://localhost:50051":       false,
		"localhost:0":                  false,
		":50051":                       false,
		"ipv4:127.0.0.1:1,localhost":   false,
		"localhost:99999":              false,
	} {
		if err := address.check(); (err == nil) != valid {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestTokensAreNotSentInPlaintextToOthers(t *testing.T) {
	for address, local := range map[target]bool{
		"localhost:1":                     true,
		"127.0.0.1:1":                     true,
		"[::1]:1":                         true,
		"dns:///localhost:1":              true,
		"unix:/run/bark.sock":             true,
		"ipv4:127.0.0.1:1,127.0.0.2:1":    true,
		"ipv4:127.0.0.1:1,192.0.2.1:1":    false,
		"bark.example:1":                  false,
		"dns://192.0.2.53/bark.example:1": false,
	} {
		if address.isLoopback() != local {
			t.Errorf("%s: %t", address, !local)
		}
	}
	_, err := Dial(context.Background(), "bark.example:50051", WithToken("secret"))
	if !errors.Is(err, ErrInvalidRequest) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
