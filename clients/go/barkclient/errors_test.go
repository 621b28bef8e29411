package barkclient

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

func failed(t *testing.T, code codes.Code, message string, details ...protoadapt.MessageV1) *Error {
	t.Helper()
	s, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return fromStatus(s, "host:1")
}

func TestErrorHasTheDetailsOfItsStatus(t *testing.T) {
	retry := &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}
	full := failed(t, codes.ResourceExhausted, "64 streams", retry)
	if !errors.Is(full, ErrOverloaded) || full.RetryAfter != 1500*time.Millisecond || !full.Retryable() {
		t.Errorf("%+v", full)
	}
	if want := "64 streams (try again in 1.5s)"; full.Error() != want {
		t.Errorf("message %q, want %q", full.Error(), want)
	}
	wrong := failed(t, codes.InvalidArgument, "seed: too large", &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "seed", Description: "too large"}},
	})
	if !errors.Is(wrong, ErrInvalidRequest) || len(wrong.Violations) != 1 ||
		wrong.Violations[0] != (FieldViolation{"seed", "too large"}) {
		t.Errorf("%+v", wrong)
	}
	changed := failed(t, codes.FailedPrecondition, "another model", &errdetails.PreconditionFailure{
		Violations: []*errdetails.PreconditionFailure_Violation{{Type: resumeType}},
	})
	if !errors.Is(changed, ErrCannotResume) || !errors.Is(changed, ErrPreconditionFailed) || changed.Retryable() {
		t.Errorf("%+v", changed)
	}
	if status.Code(wrong) != codes.InvalidArgument {
		t.Errorf("code %s", status.Code(wrong))
	}
}

func TestErrorHasTheKindOfItsCode(t *testing.T) {
	for code, kind := range map[codes.Code]error{
		codes.ResourceExhausted:  ErrOverloaded,
		codes.Unavailable:        ErrUnavailable,
		codes.Aborted:            ErrSessionExpired,
		codes.DeadlineExceeded:   ErrDeadlineExceeded,
		codes.Unauthenticated:    ErrUnauthenticated,
		codes.PermissionDenied:   ErrPermissionDenied,
		codes.NotFound:           ErrVoiceNotFound,
		codes.AlreadyExists:      ErrVoiceExists,
		codes.FailedPrecondition: ErrPreconditionFailed,
		codes.Canceled:           ErrCancelled,
		codes.Internal:           ErrServer,
		codes.Unimplemented:      ErrServer,
	} {
		if found := failed(t, code, "why"); !errors.Is(found, kind) {
			t.Errorf("%s is %v, want %v", code, found.Kind, kind)
		}
	}
}

func TestErrorOfAnEndedContextIsItsError(t *testing.T) {
	client := &Client{target: "host:1"}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	failure := client.failure(ctx, status.FromContextError(ctx.Err()).Err())
	if !errors.Is(failure, ErrCancelled) || !errors.Is(failure, context.Canceled) {
		t.Errorf("%v", failure)
	}
}
