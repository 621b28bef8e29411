package barkclient

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// Several addresses, as gRPC's other libraries write them: ipv4:ADDRESS:PORT,ADDRESS:PORT.
var listSchemes = []string{"ipv4:", "ipv6:"}

var otherSchemes = []string{"dns:", "unix:", "unix-abstract:", "xds:", "passthrough:"}

// target is the address of a server as a user wrote it.
type target string

// check returns an error if gRPC would not understand the target, or misunderstand it.
func (t target) check() error {
	if hasPrefix(string(t), otherSchemes) {
		return nil
	}
	for _, address := range t.addresses() {
		host, port, err := net.SplitHostPort(address)
		number, notANumber := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || notANumber != nil || number == 0 {
			return invalid("target", strconv.Quote(string(t))+
				" is not a server address: give HOST:PORT, for example localhost:50051")
		}
	}
	return nil
}

// dialTarget returns the target for gRPC, and the options that make gRPC understand it.
func (t target) dialTarget() (string, []grpc.DialOption) {
	if !hasPrefix(string(t), listSchemes) {
		return string(t), nil
	}
	builder := manual.NewBuilderWithScheme("barkserve")
	var state resolver.State
	for _, address := range t.addresses() {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	builder.InitialState(state)
	return builder.Scheme() + ":///" + t.addresses()[0], []grpc.DialOption{grpc.WithResolvers(builder)}
}

// isLoopback returns whether the target is on this machine.
func (t target) isLoopback() bool {
	if hasPrefix(string(t), []string{"unix:", "unix-abstract:"}) {
		return true
	}
	for _, address := range t.addresses() {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !ip.IsLoopback() && !ip.IsUnspecified()) {
			return false
		}
	}
	return true
}

// addresses returns the HOST:PORT words of the target.
func (t target) addresses() []string {
	rest := string(t)
	for _, scheme := range append([]string{"dns:"}, listSchemes...) {
		if after, found := strings.CutPrefix(rest, scheme); found {
			rest = after
			if authority, found := strings.CutPrefix(rest, "//"); found {
				_, rest, _ = strings.Cut(authority, "/")
			}
			return strings.Split(rest, ",")
		}
	}
	return []string{rest}
}

func hasPrefix(text string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
