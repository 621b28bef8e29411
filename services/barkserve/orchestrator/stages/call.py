"""A bidirectional call to a stage that moves when its replica fails or hangs.

Stages keep no session. A call is moved by making it again: its first request says what was already
produced, and the responses continue from there. Knows no stage's messages.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from barkserve.checkpoint_revision import revision_metadata
from barkserve.discovery.replica import Replica
from barkserve.errors import (
    BarkserveError,
    IdleTimeout,
    ModelExecutionFailed,
    Overloaded,
    StageFailed,
    StageUnavailable,
)
from barkserve.orchestrator.stages.call_observer import CallObserver, NoObserver
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.recovery import Recovery, ReplicaHung
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.request_id import METADATA_KEY, current_request_id
from barkserve.serving.status import from_rpc_error
from barkserve.tracing import (
    NO_SPAN,
    SpanKind,
    address_attributes,
    fail,
    headers_of,
    start_span,
)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Method = Callable[[grpc.aio.Channel], grpc.aio.StreamStreamMultiCallable[Request, Response]]
"""Looks up a stage's RPC on a channel."""


class StageCall(Generic[Request, Response]):
    """A call that survives the loss of replicas.

    Args:
        pool: the stage's replicas.
        method: looks up the RPC.
        requests: makes all requests anew; the first must say what was already produced.
        retry_policy: how long to wait for replicas that have no room or are down.
        observer: is told which replicas serve the call.
    """

    def __init__(
        self,
        pool: StagePool,
        method: Method[Request, Response],
        requests: Callable[[], AsyncIterator[Request]],
        retry_policy: RetryPolicy,
        observer: CallObserver | None = None,
    ) -> None:
        self._observer = observer or NoObserver()
        self._pool = pool
        self._method = method
        self._requests = requests
        self._retry_policy = retry_policy
        self._call: grpc.aio.StreamStreamCall[Request, Response] | None = None
        self._moving = False
        self._admitted = False
        self._request_error: BarkserveError | None = None
        self._span = NO_SPAN

    async def responses(self) -> AsyncGenerator[Response, None]:
        """Yield the stage's responses; the last is its `finished` message.

        Raises:
            Overloaded: no replica has room, and the retry policy allows no more waiting.
            StageUnavailable: no replica was usable for too long, or MAX_FAILURES replicas
                disappeared.
            ModelExecutionFailed: MAX_FAILURES replicas failed.
            BarkserveError: the stage refused a request, or the requests raised it.
        """
        recovery = Recovery(self._pool, self._retry_policy, self._observer)
        while True:
            replica = await self._pool.pick(recovery.tried, recovery.outage)
            finished = False
            try:
                with (
                    self._pool.stream(replica, self._move) as channel,
                    self._traced(replica),
                    self._mapped_errors(replica),
                ):
                    async for response in self._begin(channel, replica):
                        self._pool.answered(replica)
                        recovery.worked()
                        finished = response.WhichOneof("response") == "finished"
                        yield response
                if finished:
                    return
                raise StageFailed(f"the {self._pool.stage} stage ended its stream unfinished")
            except Overloaded as error:
                await recovery.refused(replica, error)
            except (ReplicaHung, IdleTimeout) as error:
                if finished:
                    return
                recovery.ended_early(error)
            except (StageUnavailable, ModelExecutionFailed) as error:
                if error is self._request_error:  # the previous stage has already tried again
                    raise
                await recovery.failed(replica, error, admitted=self._admitted)

    def close(self) -> None:
        """Cancel the running call, if any."""
        self._moving = False
        if self._call is not None:
            self._call.cancel()

    def _move(self) -> None:
        """Leave the replica. The reader of the responses then picks another one."""
        assert self._call is not None
        self._moving = self._call.cancel()

    def _begin(
        self, channel: grpc.aio.Channel, replica: Replica
    ) -> grpc.aio.StreamStreamCall[Request, Response]:
        self._moving = self._admitted = False
        method = self._method(channel)
        self._call = method(
            self._admitted_requests(replica),
            timeout=self._retry_policy.time_left(),
            metadata=(
                (METADATA_KEY, current_request_id()),
                *revision_metadata(self._pool.checkpoint_revision),
                *headers_of(self._span),
            ),
        )
        return self._call

    @contextmanager
    def _traced(self, replica: Replica) -> Iterator[None]:
        """Give the call to a replica a span, if the session is traced."""
        self._span = parent = self._observer.span
        if not parent.is_recording():
            yield
            return
        attributes = address_attributes(replica.address)
        name = f"{self._pool.stage} call"
        self._span = span = start_span(parent, name, SpanKind.CLIENT, attributes)
        try:
            yield
        except Exception as error:
            fail(span, str(error))
            raise
        finally:
            span.end()

    @contextmanager
    def _mapped_errors(self, replica: Replica) -> Iterator[None]:
        """Raise what the requests raised, or what the status of the call means."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if self._request_error is None and self._moving:
                raise self._hung() from error
            mapped = from_rpc_error(error, self._pool.stage, replica.via)
            raise self._request_error or mapped from error
        except asyncio.CancelledError:
            if self._request_error is not None:  # grpc cancels a call whose requests raise
                raise self._request_error from None
            task = asyncio.current_task()
            if self._moving and task is not None and not task.cancelling():
                raise self._hung() from None
            raise  # the reader is cancelled

    def _hung(self) -> ReplicaHung:
        return ReplicaHung(f"a replica of the {self._pool.stage} stage sends no load reports")

    async def _admitted_requests(self, replica: Replica) -> AsyncIterator[Request]:
        """The requests, once the stage has admitted the call.

        Keeps an error that they raise: grpc would report a bare cancellation.
        """
        assert self._call is not None
        await self._call.initial_metadata()
        if self._call.done():  # refused
            return
        self._admitted = True
        self._observer.replica_used(self._pool.stage, replica.address)
        try:
            async for request in self._requests():
                yield request
        except BarkserveError as error:
            self._request_error = error
            raise
