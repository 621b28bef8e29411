"""Wraps every RPC but health checks.

The caller is identified, errors become statuses, and generators are always closed. Outcomes of
barkserve's own services are counted.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import grpc
from google.protobuf.message import DecodeError

from barkserve.errors import BarkserveError, IdleTimeout, InvalidArgument, ShuttingDown
from barkserve.request_id import METADATA_KEY, begin_request, current_request_id
from barkserve.serving.auth.access_control import AccessControl
from barkserve.serving.auth.admitted_rpc import admit
from barkserve.serving.message_shape import check_shape
from barkserve.serving.metrics import Metrics, RpcMetrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.status import abort, as_barkserve_error
from barkserve.tracing import NO_SPAN, TRACEPARENT, Span, fail, serving, trace_id_of

_log = logging.getLogger(__name__)

_HEALTH_PREFIX = "/grpc.health."
"""Method names of the service that stays open, for probes."""
_OWN_PREFIXES = ("/barkserve.", "/nvidia.riva.")
"""Method names of the services whose RPCs are counted, and ended by a drain."""
MAX_HEALTH_BYTES = 4096
"""Size of a health check. It is kept for as long as a client watches."""

_REQUEST_KEYS = {METADATA_KEY, TRACEPARENT, "tracestate"}

MALFORMED = "is not a valid protobuf message of this method"

Request = TypeVar("Request")
Response = TypeVar("Response")
Streaming = Callable[[object, RpcContext], AsyncGenerator[object, None]]
Unary = Callable[[object, RpcContext], Awaitable[object]]
Call = Callable[[object, RpcContext, "RpcMetrics | None"], Awaitable[object]]


@dataclass(frozen=True)
class _Malformed:
    """Takes the place of a request that is too large, or that could not be parsed."""

    error: InvalidArgument


def _raising(
    deserialize: Callable[[bytes], Request] | None, max_bytes: int
) -> Callable[[bytes], Request]:
    """A deserializer for streamed requests: the handler's iterator raises its InvalidArgument."""
    assert deserialize is not None  # generated handlers have one
    message = getattr(deserialize, "__self__", None)  # FromString is a method of the message's type
    kind = getattr(message, "DESCRIPTOR", None)

    def checked(data: bytes) -> Request:
        if len(data) > max_bytes:
            raise InvalidArgument(
                "request", f"has {len(data)} bytes; the limit of this service is {max_bytes}"
            )
        if kind is not None:
            check_shape(data, kind)
        try:
            return deserialize(data)
        except DecodeError as error:
            raise InvalidArgument("request", MALFORMED) from error

    return checked


def _returning(
    deserialize: Callable[[bytes], Request] | None, max_bytes: int
) -> Callable[[bytes], Request]:
    """A deserializer for single requests, which gRPC parses before it calls the handler."""
    raising = _raising(deserialize, max_bytes)

    def checked(data: bytes) -> Request:
        try:
            return raising(data)
        except InvalidArgument as error:
            return cast(Request, _Malformed(error))

    return checked


def _check(request: object) -> None:
    """Raise the error of a request that could not be parsed."""
    if isinstance(request, _Malformed):
        raise request.error


def _headers(context: RpcContext) -> dict[str, str]:
    """The metadata of an RPC that name its request and its trace."""
    metadata = context.invocation_metadata() or ()
    return {key: str(value) for key, value in metadata if key in _REQUEST_KEYS}


def _describe(span: Span, method: str, outcome: str) -> None:
    """Add what the conventions for RPCs want to a span that records."""
    service, _, name = method[1:].rpartition("/")
    code = grpc.StatusCode[outcome]
    span.set_attributes(
        {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": name,
            "rpc.grpc.status_code": code.value[0],
            "barkserve.request_id": current_request_id(),
        }
    )
    if code not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
        fail(span, outcome)


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all services. Those of health only refuse malformed requests.

    Streaming handlers are async generators. The interceptor writes their responses itself, so the
    generator's `finally` runs at once when the client disconnects, the deadline passes, or a write
    fails.

    Args:
        metrics: counts RPCs and their outcomes.
        access: decides which callers may make an RPC.
        output_idle_s: time that a stream waits for a client that does not read; 0 for no limit.
        max_request_bytes: size of a request message. Larger ones are refused before they are
            parsed, which would block the event loop.
    """

    def __init__(
        self,
        metrics: Metrics,
        access: AccessControl,
        output_idle_s: float = 0.0,
        max_request_bytes: int = sys.maxsize,
    ) -> None:
        self._metrics = metrics
        self._access = access
        self._output_idle_s = output_idle_s
        self._max_request_bytes = max_request_bytes
        self._running: set[asyncio.Task[object]] = set()
        self._refusal: BarkserveError | None = None
        self._failure: BarkserveError | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def refuse(self) -> None:
        """Refuse all further RPCs of barkserve's services."""
        self._refusal = ShuttingDown()

    def fail(self, error: BarkserveError) -> None:
        """End all running RPCs of barkserve's services with an error, and refuse further ones."""
        self._refusal = self._failure = error
        for task in self._running:
            task.cancel()

    async def wait_idle(self, max_wait_s: float) -> None:
        """Wait until no RPC of barkserve's services is running, at most `max_wait_s` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), max_wait_s)

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], "Awaitable[grpc.RpcMethodHandler[Request, Response] | None]"
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Request, Response] | None":
        """Return the handler of an RPC, wrapped."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return None
        if method.startswith(_HEALTH_PREFIX):
            return self._health(handler)
        # The handler's types describe synchronous methods. These are asynchronous.
        if handler.stream_stream is not None:
            wrapped = self._stream(cast(Streaming, handler.stream_stream), method)
            deserialize = _raising(handler.request_deserializer, self._max_request_bytes)
            return grpc.stream_stream_rpc_method_handler(
                wrapped, deserialize, handler.response_serializer
            )
        codecs = self._codecs(handler)
        if handler.unary_stream is not None:
            wrapped = self._stream(cast(Streaming, handler.unary_stream), method)
            return grpc.unary_stream_rpc_method_handler(wrapped, *codecs)
        wrapped = self._unary(cast(Unary, handler.unary_unary), method)
        return grpc.unary_unary_rpc_method_handler(wrapped, *codecs)

    def _codecs(
        self, handler: "grpc.RpcMethodHandler[Request, Response]"
    ) -> tuple[Callable[[bytes], Request], Callable[[Response], bytes] | None]:
        deserialize = _returning(handler.request_deserializer, self._max_request_bytes)
        return deserialize, handler.response_serializer

    def _health(
        self, handler: "grpc.RpcMethodHandler[Request, Response]"
    ) -> "grpc.RpcMethodHandler[Request, Response]":
        limit = min(self._max_request_bytes, MAX_HEALTH_BYTES)
        codecs = _returning(handler.request_deserializer, limit), handler.response_serializer
        if handler.unary_stream is not None:  # it writes its responses itself
            watch = self._checked(cast(Unary, handler.unary_stream))
            return grpc.unary_stream_rpc_method_handler(watch, *codecs)
        return grpc.unary_unary_rpc_method_handler(
            self._checked(cast(Unary, handler.unary_unary)), *codecs
        )

    def _checked(self, handler: Unary) -> Unary:
        """Refuse and count the malformed requests of a handler that nothing else wraps."""

        async def checked(request: object, context: RpcContext) -> object:
            if isinstance(request, _Malformed):
                self._metrics.begin().end(request.error.status)
                await abort(context, request.error)
            return await handler(request, context)

        return checked

    def _stream(self, handler: Streaming, method: str) -> Unary:
        async def write_all(request: object, context: RpcContext, rpc: RpcMetrics | None) -> None:
            _check(request)
            async with aclosing(handler(request, context)) as responses:
                async for response in responses:
                    if rpc is not None:
                        rpc.output()
                    await self._write(context, response)

        return self._guarded(write_all, method)

    async def _write(self, context: RpcContext, response: object) -> None:
        try:
            async with asyncio.timeout(self._output_idle_s or None):
                await context.write(response)
        except TimeoutError:
            raise IdleTimeout(
                f"the client read nothing for {self._output_idle_s:g} s: read the responses, or "
                "raise --output-idle-seconds"
            ) from None

    def _unary(self, handler: Unary, method: str) -> Unary:
        async def answer(request: object, context: RpcContext, rpc: RpcMetrics | None) -> object:
            _check(request)
            response = await handler(request, context)
            if rpc is not None:
                rpc.output()
            return response

        return self._guarded(answer, method)

    def _guarded(self, call: Call, method: str) -> Unary:
        counted = method.startswith(_OWN_PREFIXES)

        async def guarded(request: object, context: RpcContext) -> object:
            headers = _headers(context)
            with serving(method[1:], headers) if counted else nullcontext(NO_SPAN) as span:
                begin_request(headers.get(METADATA_KEY, ""), trace_id_of(span))
                return await self._run(partial(call, request), method, context, span)

        return guarded

    async def _run(
        self,
        call: Callable[[RpcContext, RpcMetrics | None], Awaitable[object]],
        method: str,
        context: RpcContext,
        span: Span,
    ) -> object:
        """Run one RPC, and end it with a status if it fails."""
        counted = method.startswith(_OWN_PREFIXES)
        rpc = self._metrics.begin() if counted else None
        started, outcome = time.perf_counter(), "OK"
        try:
            await admit(self._access, method, context)
            with self._counted() if counted else nullcontext():
                return await call(context, rpc)
        except asyncio.CancelledError:
            if self._failure is None or not counted:
                outcome = "DEADLINE_EXCEEDED" if context.time_remaining() == 0 else "CANCELLED"
                raise
            failure = self._failure
            outcome = failure.status
        except grpc.aio.InternalError:
            outcome = "CANCELLED"  # a write failed because the client has disconnected
            return None
        except Exception as error:
            failure = as_barkserve_error(error, "RPC")
            outcome = failure.status
            self._metrics.refused(failure)
        finally:
            if span.is_recording():
                _describe(span, method, outcome)
            if rpc is not None:
                rpc.end(outcome)  # before the status: a client that has it may read metrics
            elapsed_s = time.perf_counter() - started
            _log.debug("%s ended with %s after %.3f s", method, outcome, elapsed_s)
        await abort(context, failure)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._refusal is not None:
            raise self._refusal
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self._idle.clear()
        try:
            yield
        finally:
            self._running.remove(task)
            if not self._running:
                self._idle.set()
