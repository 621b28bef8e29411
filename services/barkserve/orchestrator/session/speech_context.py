"""One context of a StreamingSynthesize call: its requests, its task and how it ends.

Knows neither the call nor the other contexts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing
from typing import Literal

from google.rpc import status_pb2

from barkserve.errors import BarkserveError, InvalidArgument
from barkserve.orchestrator.admission.hold_limit import HoldLimit
from barkserve.orchestrator.session.responses import Message
from barkserve.orchestrator.session.session import Session
from barkserve.request_id import begin_request
from barkserve.serving.caller import current_caller
from barkserve.serving.status import as_barkserve_error, to_status
from barkserve.v1 import speech_pb2

MAX_FLUSH_ID_CHARACTERS = 128

ContextMessage = Message | status_pb2.Status
StopReason = BarkserveError | Literal["cancelled"]


class SpeechContext:
    """A session that takes requests. It starts to speak when it is made.

    Contexts that wait for a client to read stay open, so their number is limited.

    Args:
        session: speaks.
        open_contexts: limits the contexts that are open.
        send: sends a message to the client.
        on_end: called once the last message has been sent.

    Attributes:
        closing: whether its final message is already determined.

    Raises:
        Overloaded: no further context may be open.
    """

    def __init__(
        self,
        session: Session,
        open_contexts: HoldLimit,
        send: Callable[[ContextMessage], Awaitable[None]],
        on_end: Callable[[], None],
    ) -> None:
        self.closing = False
        self._session = session
        self._send = send
        self._on_end = on_end
        self._stop_reason: StopReason | None = None  # why this context cancelled its task
        held = ExitStack()
        held.enter_context(open_contexts.hold(current_caller().name))
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: held.close())

    def take(self, request: speech_pb2.StreamingSynthesizeRequest) -> None:
        """Take a request that is not the first. Raises InvalidArgument if it is not valid."""
        match request.WhichOneof("request"):
            case "text":
                self._session.feed.push(request.text)
            case "utf8":
                self._session.feed.push_utf8(request.utf8)
            case "flush":
                self._flush(request.flush.flush_id)
            case "cancel":
                self.stop("cancelled")
            case "end":
                self._session.feed.end()
            case "config":
                raise InvalidArgument("config", "must be a context's first message only")
            case _:
                raise InvalidArgument("request", "must be one of text, utf8, flush, cancel, end")

    def end(self) -> None:
        """End the text: the client has half-closed the call."""
        try:
            self._session.feed.end()
        except InvalidArgument as error:
            self.stop(error)

    def stop(self, reason: StopReason) -> None:
        """Stop speaking at once, unless the context is closing already."""
        if not self.closing:
            self.closing = True
            self._stop_reason = reason
            self.task.cancel()

    async def _run(self) -> None:
        begin_request(self._session.request_id)
        unsent: ContextMessage | None = None
        try:
            async with aclosing(self._session.messages()) as messages:
                async for unsent in messages:
                    await self._send(unsent)
                    unsent = None
        except asyncio.CancelledError:
            if self._stop_reason is None:
                raise  # the call itself has ended
            await self._send_rest(unsent, self._stop_reason)
        except Exception as error:
            failure = as_barkserve_error(error, "context")
            self._session.note_refusal(failure)
            await self._send(self._final_message(failure))
        finally:
            self._on_end()

    async def _send_rest(self, unsent: ContextMessage | None, reason: StopReason) -> None:
        """Send the message that was waiting when the task was cancelled, then the final message.

        The session has already counted the waiting message.
        """
        if unsent is not None:
            await self._send(unsent)
        if not isinstance(unsent, speech_pb2.SynthesisFinished):
            await self._send(self._final_message(reason))

    def _final_message(self, reason: StopReason) -> ContextMessage:
        self.closing = True
        if reason == "cancelled":
            return self._session.cancelled()
        return to_status(reason)

    def _flush(self, flush_id: str) -> None:
        if len(flush_id) > MAX_FLUSH_ID_CHARACTERS:
            raise InvalidArgument(
                "flush.flush_id", f"must be at most {MAX_FLUSH_ID_CHARACTERS} characters"
            )
        self._session.feed.flush(flush_id)
