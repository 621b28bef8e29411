package barkclient

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of errors, for errors.Is.
var (
	// ErrOverloaded means that the server is full. Error.RetryAfter says when to retry.
	ErrOverloaded = errors.New("the server is full")
	// ErrUnavailable means that the server or a stage cannot be reached, or that the connection broke.
	ErrUnavailable = errors.New("the server is unavailable")
	// ErrSessionExpired means that the server ended a call or a context that was idle for too long.
	ErrSessionExpired = errors.New("the call was idle for too long")
	// ErrDeadlineExceeded means that the call took longer than its context allows.
	ErrDeadlineExceeded = errors.New("the call took too long")
	// ErrInvalidRequest means that the request is wrong. Error.Violations names the fields.
	ErrInvalidRequest = errors.New("the request is invalid")
	// ErrUnauthenticated means that the server needs a token, or does not accept this one.
	ErrUnauthenticated = errors.New("the token is missing or not accepted")
	// ErrPermissionDenied means that the token's owner lacks a role for the call.
	ErrPermissionDenied = errors.New("the token's owner lacks a role")
	// ErrVoiceNotFound means that no voice has this name or handle.
	ErrVoiceNotFound = errors.New("the voice does not exist")
	// ErrVoiceExists means that a voice has this name already.
	ErrVoiceExists = errors.New("the voice exists already")
	// ErrVoiceStoreFull means that the server stores no more voices until one is deleted.
	ErrVoiceStoreFull = errors.New("the voice store is full")
	// ErrPreconditionFailed means that the server is not configured for the request.
	ErrPreconditionFailed = errors.New("the server is not configured for this request")
	// ErrCannotResume means that the connection broke, and that the next server would speak differently. It is an
	// ErrPreconditionFailed.
	ErrCannotResume = fmt.Errorf("the speech cannot be resumed: %w", ErrPreconditionFailed)
	// ErrCancelled means that the call was cancelled, by this program or by the server.
	ErrCancelled = errors.New("the call was cancelled")
	// ErrServer means anything else: the server failed or broke the protocol.
	ErrServer = errors.New("the server failed")
)

const (
	detailsKey   = "grpc-status-details-bin"
	resumeType   = "RESUME"
	noServer     = "Error while dialing"
	noSuchHost   = "no such host"
	notHTTP2     = "frame too large" // the beginning of an HTTP/1.1 response, read as a frame
	tlsFailed    = "authentication handshake failed"
	tooLarge     = "larger than max"
	serverNeeded = "start one with `barkserve up`"
)

// FieldViolation is a field of a request that is wrong.
type FieldViolation struct {
	// Field is its path in the request, such as "semantic.sampling.temperature".
	Field string
	// Description says what is wrong with it.
	Description string
}

// Error is a failed call.
type Error struct {
	// Kind is one of this package's Err variables.
	Kind error
	// Message is one line. It says what happened and what to do.
	Message string
	// RetryAfter is the time to wait before the next attempt, for ErrOverloaded. 0: the server did not say.
	RetryAfter time.Duration
	// Violations are the wrong fields, for ErrInvalidRequest, as far as known.
	Violations []FieldViolation

	status *status.Status
	cause  error // why the caller's context ended
	cut    bool  // the call ended without a status from the server itself
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind, and context.Canceled or context.DeadlineExceeded if the caller's context ended.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// GRPCStatus returns the status with its google.rpc details. status.FromError and status.Code use it.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Retryable returns whether the same call may succeed later, or at another server.
func (e *Error) Retryable() bool {
	switch e.Kind {
	case ErrOverloaded, ErrUnavailable, ErrSessionExpired, ErrDeadlineExceeded:
		return true
	}
	return false
}

// fromRPC returns the error for a failed RPC of the server at target.
func fromRPC(err error, target string) *Error {
	return fromStatus(status.Convert(err), target)
}

// fromStatus returns the error for the status of an RPC, or of a context.
func fromStatus(s *status.Status, target string) *Error {
	text := strings.Join(strings.Fields(s.Message()), " ")
	if text == "" {
		text = "no reason given"
	}
	e := &Error{Message: text, status: s}
	switch s.Code() {
	case codes.InvalidArgument:
		e.Kind, e.Violations = ErrInvalidRequest, violations(s)
	case codes.ResourceExhausted:
		e.exhausted(s)
	case codes.Unauthenticated:
		e.Kind = ErrUnauthenticated
	case codes.PermissionDenied:
		e.Kind = ErrPermissionDenied
	case codes.NotFound:
		e.Kind = ErrVoiceNotFound
	case codes.AlreadyExists:
		e.Kind = ErrVoiceExists
	case codes.FailedPrecondition:
		e.Kind = ErrPreconditionFailed
		if isAboutResuming(s) {
			e.Kind = ErrCannotResume
		}
	case codes.Unavailable:
		e.Kind, e.Message = ErrUnavailable, whyUnavailable(text, target)
	case codes.Aborted:
		e.Kind = ErrSessionExpired
	case codes.DeadlineExceeded:
		e.Kind, e.Message = ErrDeadlineExceeded, target+" did not finish in time: allow a longer timeout"
	case codes.Canceled:
		e.Kind, e.Message = ErrCancelled, fmt.Sprintf("the call to %s was cancelled: %s", target, text)
	case codes.Unimplemented:
		e.Kind = ErrServer
		e.Message = fmt.Sprintf("%s is not a barkserve orchestrator, or has an older version: %s", target, text)
	default:
		e.Kind, e.Message = ErrServer, fmt.Sprintf("%s failed with %s: %s", target, s.Code(), text)
	}
	return e
}

func (e *Error) exhausted(s *status.Status) {
	e.Kind = ErrOverloaded
	if strings.Contains(e.Message, tooLarge) {
		e.Kind = ErrInvalidRequest
		return
	}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.QuotaFailure:
			e.Kind = ErrVoiceStoreFull
			return
		case *errdetails.RetryInfo:
			e.RetryAfter = detail.GetRetryDelay().AsDuration()
			e.Message = fmt.Sprintf("%s (try again in %s)", e.Message, e.RetryAfter)
			return
		}
	}
	e.Message += " (try again later)"
}

func whyUnavailable(text, target string) string {
	switch {
	case strings.Contains(text, tlsFailed):
		return fmt.Sprintf("TLS with %s failed: check the certificates (%s)", target, text)
	case strings.Contains(text, noSuchHost):
		return fmt.Sprintf("the host of %s cannot be resolved: check the spelling", target)
	case strings.Contains(text, notHTTP2):
		return fmt.Sprintf("%s speaks HTTP, not gRPC: give the server's gRPC port, 50051 unless --port changed it", target)
	case strings.Contains(text, noServer):
		return fmt.Sprintf("nothing answers at %s: %s", target, serverNeeded)
	}
	return fmt.Sprintf("%s is unavailable: %s", target, text)
}

func violations(s *status.Status) []FieldViolation {
	var found []FieldViolation
	for _, detail := range s.Details() {
		if request, ok := detail.(*errdetails.BadRequest); ok {
			for _, each := range request.GetFieldViolations() {
				found = append(found, FieldViolation{each.GetField(), each.GetDescription()})
			}
		}
	}
	return found
}

func isAboutResuming(s *status.Status) bool {
	for _, detail := range s.Details() {
		if failure, ok := detail.(*errdetails.PreconditionFailure); ok {
			for _, each := range failure.GetViolations() {
				if each.GetType() == resumeType {
					return true
				}
			}
		}
	}
	return false
}

// invalid returns the error for a field or an option that this package itself found wrong.
func invalid(field, description string) *Error {
	message := field + ": " + description
	return &Error{
		Kind:       ErrInvalidRequest,
		Message:    message,
		Violations: []FieldViolation{{field, description}},
		status:     status.New(codes.InvalidArgument, message),
	}
}

// protocolError returns the error for a server that broke the protocol.
func protocolError(format string, words ...any) *Error {
	message := "the server violated the protocol: " + fmt.Sprintf(format, words...)
	return &Error{Kind: ErrServer, Message: message, status: status.New(codes.Internal, message)}
}

var errEndedEarly = protocolError("it ended the stream without finishing it")
