"""The one error tree: what can go wrong, in words for the person who has to act. Knows no gRPC;
`serving` maps it.

BarkserveError
├── InvalidArgument       the request is wrong and will stay wrong            INVALID_ARGUMENT
│   ├── TextTooLong       more text than one utterance holds: cut it           (the same)
│   └── NothingToSpeak    text that this checkpoint passes over in silence     (the same)
├── NotFound              the request names something that does not exist     NOT_FOUND
├── AlreadyExists         the request would make what is there already        ALREADY_EXISTS
├── FailedPrecondition    the server is not set up for what is asked          FAILED_PRECONDITION
├── StoreFull             the voice store holds as much as it may             RESOURCE_EXHAUSTED
├── StoreUnavailable      the voice store cannot be read or written           UNAVAILABLE
├── Overloaded            every slot and the queue are full, try again later  RESOURCE_EXHAUSTED
├── StageUnavailable      a stage of the chain cannot be reached or broke off UNAVAILABLE
├── ShuttingDown          this service takes nothing new, it is about to end  UNAVAILABLE
├── StageFailed           a stage of the chain answered with an error of ours INTERNAL
│   └── ModelExecutionFailed     its model failed; another replica may do better    (the same)
└── StartupError          a service cannot start                              (process exit 1)
    └── CheckpointError   the checkpoint is missing, broken or of another kind
"""

from typing import ClassVar


class BarkserveError(Exception):
    """Anything barkserve raises on purpose; the message is one line and says what to do."""

    status: ClassVar[str] = "INTERNAL"  # the name of a grpc.StatusCode


class InvalidArgument(BarkserveError):
    """A request that cannot be served as it is.

    Args:
        field: the offending field, as a path in the request ("semantic.sampling.temperature").
        description: what is wrong with it and what would be right.
    """

    status = "INVALID_ARGUMENT"
    reason: ClassVar[str] = ""  # of a google.rpc.ErrorInfo, where a caller acts on it

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class TextTooLong(InvalidArgument):
    """More text than one utterance holds; its halves may fit."""

    reason = "TEXT_TOO_LONG"


class NothingToSpeak(InvalidArgument):
    """Text without anything that this checkpoint can speak."""

    reason = "NOTHING_TO_SPEAK"


class NotFound(BarkserveError):
    """A name that nothing answers to."""

    status = "NOT_FOUND"


class AlreadyExists(BarkserveError):
    """A name that is taken."""

    status = "ALREADY_EXISTS"


class FailedPrecondition(BarkserveError):
    """A request that this server, as it was started, cannot serve."""

    status = "FAILED_PRECONDITION"


class StoreFull(BarkserveError):
    """A store without room; no use in trying again before something is deleted.

    Args:
        subject: what is full, in a word or two.
        description: how full, and what to do.
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
    """No room for another stream now.

    Args:
        message: what is full.
        retry_after_s: seconds after which another try makes sense.
    """

    status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StageUnavailable(BarkserveError):
    """A stage of the chain that cannot be reached, or that broke off."""

    status = "UNAVAILABLE"


class ShuttingDown(BarkserveError):
    """A service that finishes what it has and takes nothing new."""

    status = "UNAVAILABLE"


class StageFailed(BarkserveError):
    """A stage of the chain that failed in a way its caller cannot mend."""

    status = "INTERNAL"


class ModelExecutionFailed(StageFailed):
    """A stage whose model failed in the middle of a stream: memory, a device, a defect."""


class StartupError(BarkserveError):
    """A service that cannot start; the process prints the message and exits with 1."""

    status = "FAILED_PRECONDITION"


class CheckpointError(StartupError):
    """A checkpoint that is missing, broken, or not one of Bark's."""
