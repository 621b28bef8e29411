"""One StreamingSynthesize call: runs its contexts concurrently and independently.

The messages of all contexts go through one queue of length one. A client that does not read
therefore stops them all.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from google.rpc import status_pb2

from barkserve.errors import (
    BarkserveError,
    IdleTimeout,
    InvalidArgument,
    Overloaded,
    ShuttingDown,
)
from barkserve.orchestrator.session.heartbeats import with_heartbeats
from barkserve.orchestrator.session.session import Session, SpeechBackend
from barkserve.orchestrator.session.speech_context import ContextMessage, SpeechContext
from barkserve.serving.auth.admitted_rpc import check_caller_again
from barkserve.serving.status import to_status
from barkserve.v1 import speech_pb2

Request = speech_pb2.StreamingSynthesizeRequest
Response = speech_pb2.StreamingSynthesizeResponse

MAX_ID_CHARACTERS = 128
MAX_DELAY_MS = 60_000
DEFAULT_DELAY_MS = 400
_CLOSED_IDS = 1000  # ids of ended contexts that are kept, to ignore late requests for them


class StreamingCall:
    """All contexts of one call.

    Args:
        backend: what all sessions share.
        deadline: the client's deadline in the event loop's time, None for none.
        draining: set when the server drains. Open contexts are spoken to their end and new ones are
            refused. Then the call ends, so that its client calls another replica.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        deadline: float | None,
        draining: asyncio.Event,
    ) -> None:
        self._backend = backend
        self._deadline = deadline
        self._draining = draining
        self._half_closed = False
        self._outgoing: asyncio.Queue[Response | Exception | None] = asyncio.Queue(1)
        self._contexts: dict[str, SpeechContext] = {}
        self._idle_since = self._now()  # valid while no context is open
        self._closed: OrderedDict[str, None] = OrderedDict()

    async def responses(self, requests: AsyncIterator[Request]) -> AsyncGenerator[Response, None]:
        """Yield the messages of all contexts until the client has half-closed and all have ended.

        Raises:
            ShuttingDown: the server drains, and all contexts have ended.
            IdleTimeout: no context was open for too long.
        """
        reading = asyncio.create_task(self._read(requests))
        draining = asyncio.create_task(self._drain())
        expiring = asyncio.create_task(self._expire())
        heartbeat_s = self._backend.limits.heartbeat_s
        responses = with_heartbeats(self._queued(), heartbeat_s, _heartbeat)
        try:
            async with aclosing(responses):
                async for response in responses:
                    yield response
        finally:
            contexts = (context.task for context in self._contexts.values())
            tasks = [reading, draining, expiring, *contexts]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _queued(self) -> AsyncIterator[Response]:
        """The messages of all contexts, as they are put into the queue."""
        while (item := await self._outgoing.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def _read(self, requests: AsyncIterator[Request]) -> None:
        """Pass each request to its context; end all contexts after the last request."""
        try:
            async for request in requests:
                await self._handle(request)
            self._half_closed = True
            for context in self._contexts.values():
                context.end()
            await self._all_ended()
            await self._outgoing.put(None)
        except Exception as error:
            await self._outgoing.put(error)

    async def _drain(self) -> None:
        """When the server drains, wait until all contexts have ended, then end the call."""
        await self._draining.wait()
        await self._all_ended()
        if not self._half_closed:
            await self._outgoing.put(ShuttingDown())

    async def _expire(self) -> None:
        """End the call once no context has been open for too long."""
        limit_s = self._backend.limits.call_idle_s
        if not limit_s:
            return
        left_s = limit_s
        while left_s > 0:
            await asyncio.sleep(left_s)
            idle_since = self._now() if self._contexts else self._idle_since
            left_s = idle_since + limit_s - self._now()
        await self._outgoing.put(
            IdleTimeout(
                f"the call had no open context for {limit_s:g} s: call again when there is text, "
                "or raise --call-idle-seconds"
            )
        )

    async def _all_ended(self) -> None:
        while self._contexts:
            await asyncio.wait([context.task for context in self._contexts.values()])

    async def _handle(self, request: Request) -> None:
        id_, kind = request.context_id, request.WhichOneof("request")
        context = self._contexts.get(id_)
        if context is not None and context.closing and kind == "config":
            await asyncio.wait([context.task])  # the client need not wait to reuse the id
            context = None
        try:
            if context is not None:
                context.take(request)
            elif kind == "config":
                await check_caller_again()  # calls can last for hours
                self._open(id_, request.config)
            elif _stored_id(id_) not in self._closed:
                raise InvalidArgument("config", "must be a context's first message")
        except BarkserveError as error:
            if context is not None:
                context.stop(error)
            else:
                self._backend.metrics.service.refused(error)
                self._close(id_)
                await self._send(id_, to_status(error))

    def _open(self, id_: str, config: speech_pb2.StreamingConfig) -> None:
        if len(id_) > MAX_ID_CHARACTERS:
            raise InvalidArgument("context_id", f"must be at most {MAX_ID_CHARACTERS} characters")
        if self._draining.is_set():
            raise ShuttingDown
        most = self._backend.limits.max_contexts
        if len(self._contexts) >= most:
            raise Overloaded(
                f"{most} contexts are open, which is the limit of one call", 1.0, "max_contexts"
            )
        self._closed.pop(_stored_id(id_), None)
        text = config.options.text
        config.options.ClearField("text")
        session = Session(self._backend, config.options, self._deadline, _max_delay_s(config))
        session.feed.push(text)
        self._contexts[id_] = SpeechContext(
            session,
            self._backend.open_contexts,
            partial(self._send, id_),
            partial(self._close, id_),
        )

    def _close(self, id_: str) -> None:
        if self._contexts.pop(id_, None) is not None:
            self._idle_since = self._now()
        self._closed[_stored_id(id_)] = None
        if len(self._closed) > _CLOSED_IDS:
            self._closed.popitem(last=False)

    async def _send(self, id_: str, message: ContextMessage) -> None:
        await self._outgoing.put(_response(id_, message))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _stored_id(id_: str) -> str:
    """What is kept of a closed context's id, so that ids of any length cost bounded memory."""
    return id_[: MAX_ID_CHARACTERS + 1]


def _max_delay_s(config: speech_pb2.StreamingConfig) -> float:
    if not config.HasField("max_delay_ms"):
        return DEFAULT_DELAY_MS / 1000
    if not 0 <= config.max_delay_ms <= MAX_DELAY_MS:
        raise InvalidArgument("max_delay_ms", f"must be 0 to {MAX_DELAY_MS}")
    return config.max_delay_ms / 1000


def _heartbeat() -> Response:
    return Response(heartbeat=speech_pb2.Heartbeat())


def _response(id_: str, message: ContextMessage) -> Response:
    match message:
        case speech_pb2.SynthesisStarted():
            return Response(context_id=id_, started=message)
        case speech_pb2.AudioChunk():
            return Response(context_id=id_, audio=message)
        case speech_pb2.WordTimes():
            return Response(context_id=id_, words=message)
        case speech_pb2.FlushDone():
            return Response(context_id=id_, flush_done=message)
        case speech_pb2.SynthesisFinished():
            return Response(context_id=id_, finished=message)
        case status_pb2.Status():
            return Response(context_id=id_, error=message)
