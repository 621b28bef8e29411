"""What surrounds every RPC of ours: errors become statuses, outcomes are counted, generators are
always closed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import grpc

from barkserve.errors import BarkserveError, ShuttingDown, StageFailed
from barkserve.serving.metrics import Metrics, RpcMetrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.status import abort

_log = logging.getLogger(__name__)

_OURS = ("/barkserve.", "/nvidia.riva.")
"""How the methods begin that are wrapped."""

Streaming = Callable[[Any, RpcContext], AsyncGenerator[Any, None]]
Unary = Callable[[Any, RpcContext], Awaitable[Any]]


class RpcInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the handlers of our own services; health and reflection pass untouched.

    Streaming handlers are async generators. They are run with explicit writes, so that a client
    that goes away, a deadline that passes and a client that stops reading all end in the
    generator's own `finally`, at once.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._active = 0
        self._refusing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def refuse(self) -> None:
        """From now on let no RPC of our own services begin."""
        self._refusing = True

    async def idle(self, at_most_s: float) -> None:
        """Wait until no RPC of our own services runs."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), at_most_s)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Replace a handler by its wrapped self."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_OURS):
            return handler
        codecs = (handler.request_deserializer, handler.response_serializer)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream), *codecs
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream), *codecs)
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary), *codecs)

    def _stream(self, handler: Streaming) -> Unary:
        async def write_all(request: Any, context: RpcContext, rpc: RpcMetrics) -> None:
            async with aclosing(handler(request, context)) as responses:
                async for response in responses:
                    rpc.output()
                    await context.write(response)

        return self._guarded(write_all)

    def _unary(self, handler: Unary) -> Unary:
        async def answer(request: Any, context: RpcContext, rpc: RpcMetrics) -> Any:
            response = await handler(request, context)
            rpc.output()
            return response

        return self._guarded(answer)

    def _guarded(self, call: Callable[[Any, RpcContext, RpcMetrics], Awaitable[Any]]) -> Unary:
        async def guarded(request: Any, context: RpcContext) -> Any:
            rpc = self._metrics.begin()
            outcome = "OK"
            try:
                with self._counted():
                    return await call(request, context, rpc)
            except asyncio.CancelledError:
                outcome = "DEADLINE_EXCEEDED" if context.time_remaining() == 0 else "CANCELLED"
                raise
            except grpc.aio.InternalError:
                outcome = "CANCELLED"  # a write found nobody listening any more
                return None
            except BarkserveError as error:
                failure = error
                outcome = failure.status
            except Exception:
                _log.exception("an RPC failed unexpectedly")
                failure = StageFailed("unexpected failure; the service's log has the details")
                outcome = failure.status
            finally:
                rpc.end(outcome)
            await abort(context, failure)  # counted before: who hears of an end finds it counted

        return guarded

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._refusing:
            raise ShuttingDown("this replica is shutting down: try again, another one will answer")
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if self._active == 0:
                self._idle.set()
