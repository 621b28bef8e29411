"""One context of a StreamingSynthesize call: what its messages mean, and how it ends. Knows neither
the call nor the other contexts.
"""

import asyncio
from typing import Literal

import grpc

from barkserve.errors import BarkserveError, InvalidArgument, Overloaded
from barkserve.orchestrator.session.responses import Message
from barkserve.orchestrator.session.session import Session
from barkserve.v1 import speech_pb2

MAX_FLUSH_ID_CHARACTERS = 128

ContextMessage = Message | speech_pb2.SynthesisFailed
CutShort = BarkserveError | Literal["cancelled"]


class SpeechContext:
    """A talk that takes messages.

    Attributes:
        talk: what speaks.
        task: sends the talk's messages; set by who starts it.
        cut_short: why the task was cancelled, None if it was not, or not by this context.
        says_goodbye: whether its last message is on its way.
    """

    task: asyncio.Task[None]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cut_short: CutShort | None = None
        self.sent_final_message = False

    def take(self, request: speech_pb2.StreamingSynthesizeRequest) -> None:
        """A message that is not the first. Raises InvalidArgument if it makes no sense."""
        match request.WhichOneof("request"):
            case "text":
                self.session.feed.push(request.text)
            case "utf8":
                self.session.feed.push_utf8(request.utf8)
            case "flush":
                self._flush(request.flush.flush_id)
            case "cancel":
                self.cut("cancelled")
            case "end":
                self.session.feed.end()
            case "config":
                raise InvalidArgument("config", "must be a context's first message only")
            case _:
                raise InvalidArgument("request", "must be one of text, utf8, flush, cancel, end")

    def end(self) -> None:
        """The call brings no more text."""
        try:
            self.session.feed.end()
        except InvalidArgument as error:
            self.cut(error)

    def cut(self, why: CutShort) -> None:
        """Stop at once, unless it is over anyway."""
        if not self.sent_final_message:
            self.sent_final_message = True
            self.cut_short = why
            self.task.cancel()

    def final_message(self, why: CutShort) -> ContextMessage:
        """The last message of a context that was cut short or failed; nothing can cut it short any
        more.
        """
        self.sent_final_message = True
        return (
            self.session.cancelled()
            if why == "cancelled"
            else failed(why, self.session.sample_count)
        )

    def _flush(self, flush_id: str) -> None:
        if len(flush_id) > MAX_FLUSH_ID_CHARACTERS:
            raise InvalidArgument(
                "flush.flush_id", f"must be at most {MAX_FLUSH_ID_CHARACTERS} characters"
            )
        self.session.feed.flush(flush_id)


def failed(error: BarkserveError, sample_count: int) -> speech_pb2.SynthesisFailed:
    """The last message of a context that failed."""
    code: int = grpc.StatusCode[error.status].value[0]
    return speech_pb2.SynthesisFailed(
        code=code,
        message=str(error),
        field=error.field if isinstance(error, InvalidArgument) else "",
        retry_after_seconds=error.retry_after_s if isinstance(error, Overloaded) else 0.0,
        sample_count=sample_count,
    )
