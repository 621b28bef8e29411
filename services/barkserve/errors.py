"""The error tree of the services. Knows no gRPC: `serving.status` maps it.

BarkserveError
├── InvalidArgument            the request is wrong; a retry does not help         INVALID_ARGUMENT
│   ├── TextTooLong            more text than one utterance holds                  INVALID_ARGUMENT
│   └── NothingToSpeak         text without anything to speak                      INVALID_ARGUMENT
├── Unauthenticated            the caller has no valid token                       UNAUTHENTICATED
├── PermissionDenied           the caller lacks a role                             PERMISSION_DENIED
├── KeysUnavailable            the keys that verify tokens could not be fetched    UNAVAILABLE
├── NotFound                   a name in the request does not exist                NOT_FOUND
├── AlreadyExists              the name to create is taken                         ALREADY_EXISTS
├── FailedPrecondition         the server is not configured for this request       FAILED_PRECONDITION
│   └── CannotResume           it would not continue the same speech           FAILED_PRECONDITION
├── StoreFull                  the voice store has reached its limit               RESOURCE_EXHAUSTED
├── StoreUnavailable           the voice store cannot be read or written           UNAVAILABLE
├── Overloaded                 all slots and the queue are full; retry later       RESOURCE_EXHAUSTED
├── StageUnavailable           a stage cannot be reached, or its connection broke  UNAVAILABLE
│   └── ReplicaFailed          this process can serve no stream any more, and ends UNAVAILABLE
│       └── ReplicaStalled     its model or its event loop makes no progress       UNAVAILABLE
├── ShuttingDown               this replica drains and takes no new streams        UNAVAILABLE
├── IdleTimeout                a stream was held for too long without any use      ABORTED
├── StageFailed                a stage failed                                      INTERNAL
│   └── ModelExecutionFailed   its model failed; another replica may succeed       INTERNAL
├── UnexpectedFailure          a bug in this service                               INTERNAL
└── StartupError               a service cannot start                              (exit code 1)
    └── CheckpointError        a checkpoint is missing, damaged or unsuitable      (exit code 1)
"""  # noqa: E501

from typing import ClassVar


class BarkserveError(Exception):
    """Base class of all errors that barkserve raises on purpose.

    The message is one line. It says what happened and what to do.
    """

    status: ClassVar[str] = "INTERNAL"
    """The name of a grpc.StatusCode."""

    exit_code: ClassVar[int] = 1
    """The exit code of a process that this error ends."""


class InvalidArgument(BarkserveError):
    """A request that cannot be served as it is.

    Args:
        field: path of the field in the request, such as "semantic.sampling.temperature".
        description: what is wrong and what would be right.
    """

    status = "INVALID_ARGUMENT"
    reason: ClassVar[str] = ""
    """The reason of a google.rpc.ErrorInfo, for errors that callers handle."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class TextTooLong(InvalidArgument):
    """More text than one utterance holds. Each half may fit."""

    reason = "TEXT_TOO_LONG"


class NothingToSpeak(InvalidArgument):
    """Text without anything that this checkpoint can speak."""

    reason = "NOTHING_TO_SPEAK"


class Unauthenticated(BarkserveError):
    """A caller without a valid token. The message never contains a token."""

    status = "UNAUTHENTICATED"


class PermissionDenied(BarkserveError):
    """A caller that lacks a role."""

    status = "PERMISSION_DENIED"


class KeysUnavailable(BarkserveError):
    """A server that cannot verify tokens, because it could not fetch the keys so far."""

    status = "UNAVAILABLE"


class NotFound(BarkserveError):
    """A name that does not exist."""

    status = "NOT_FOUND"


class AlreadyExists(BarkserveError):
    """A name that is taken."""

    status = "ALREADY_EXISTS"


class FailedPrecondition(BarkserveError):
    """A request that this server is not configured to serve."""

    status = "FAILED_PRECONDITION"


class CannotResume(FailedPrecondition):
    """A synthesis that this server would not continue as it began."""


class StoreFull(BarkserveError):
    """A full store. A retry fails until something is deleted.

    Args:
        subject: what is full, in one or two words.
        description: the limit, and what to do.
    """

    status = "RESOURCE_EXHAUSTED"

    def __init__(self, subject: str, description: str) -> None:
        super().__init__(f"{subject}: {description}")
        self.subject = subject
        self.description = description


class StoreUnavailable(BarkserveError):
    """A store that cannot be read or written at the moment."""

    status = "UNAVAILABLE"


class Overloaded(BarkserveError):
    """No capacity for another stream.

    Args:
        message: what is full.
        retry_after_s: seconds to wait before the next attempt.
        reason: the limit that was reached, in words joined by underscores, for metrics.
    """

    status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, retry_after_s: float, reason: str = "max_streams") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reason = reason


class StageUnavailable(BarkserveError):
    """A stage that cannot be reached, or whose connection broke."""

    status = "UNAVAILABLE"


class ReplicaFailed(StageUnavailable):
    """A process that can serve no stream any more. It ends, and another replica may serve."""


class ReplicaStalled(ReplicaFailed):
    """A process whose model or event loop makes no progress."""

    exit_code = 75  # EX_TEMPFAIL: a new process may work


class OtherCheckpoint(StageUnavailable):
    """A replica with another revision of the checkpoint than its caller."""


class ShuttingDown(BarkserveError):
    """A replica that finishes its streams and takes no new ones."""

    status = "UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("this replica is shutting down: call again to reach another one")


class IdleTimeout(BarkserveError):
    """A stream that a client held for too long without using it. Another call may succeed."""

    status = "ABORTED"


class StageFailed(BarkserveError):
    """A stage that failed. The client cannot fix the cause."""


class ModelExecutionFailed(StageFailed):
    """A model that failed during a stream: out of memory, a lost device, or a bug."""

    def __init__(
        self, message: str = "model execution failed; the stage's log has the details"
    ) -> None:
        super().__init__(message)


class UnexpectedFailure(BarkserveError):
    """A bug in this service. Its log has the traceback."""


class StartupError(BarkserveError):
    """A service that cannot start. The process prints the message and exits with code 1."""

    status = "FAILED_PRECONDITION"


class CheckpointError(StartupError):
    """A checkpoint that is missing, damaged, or not a Bark checkpoint."""
