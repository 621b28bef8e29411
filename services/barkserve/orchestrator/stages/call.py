"""One stage's share of an utterance, on whichever replica is alive. Knows no stage's messages.

A stage owns no session, so when its replica goes away the call is made again elsewhere, with
requests that say what was already produced; the responses go on where they broke off.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from barkserve.errors import (
    BarkserveError,
    ModelExecutionFailed,
    Overloaded,
    StageFailed,
    StageUnavailable,
)
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.serving.status import from_rpc_error

_log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Method = Callable[[grpc.aio.Channel], grpc.aio.StreamStreamMultiCallable[Request, Response]]
"""Looks up a stage's RPC on a channel."""

MAX_FAILURES = 3
"""How often a model may fail one stream: what kills it must not go through all replicas."""


class StageCall(Generic[Request, Response]):
    """A call that outlives replicas.

    Args:
        pool: the stage's replicas.
        method: a channel's bidirectional method.
        requests: makes all requests anew; the first must say what was already produced.
        patience: until when to wait; a stage that is full is asked again as long as it says.
    """

    def __init__(
        self,
        pool: StagePool,
        method: Method[Request, Response],
        requests: Callable[[], AsyncIterator[Request]],
        patience: RetryPolicy,
    ) -> None:
        self._pool = pool
        self._method = method
        self._requests = requests
        self._patience = patience
        self._call: grpc.aio.StreamStreamCall[Request, Response] | None = None
        self._failure: BarkserveError | None = None

    async def responses(self) -> AsyncGenerator[Response, None]:
        """Yields the stage's responses, the last being the one that says `finished`.

        Raises:
            BarkserveError: what the stage said, or what the requests raised; StageUnavailable or
                Overloaded once every replica has been tried, and patience has ended; ModelExecutionFailed
                when it happened several times.
        """
        tried: list[str] = []
        rounds = failures = 0
        waited_s = 0.0
        while True:
            replica = await self._pool.pick(frozenset(tried))
            try:
                with self._pool.stream(replica) as channel:
                    async for response in self._attempt(channel):
                        self._pool.answered(replica)
                        tried.clear()
                        yield response
                return
            except Overloaded as error:
                tried.append(replica.address)
                if len(tried) < len(self._pool.replicas):
                    continue
                tried.clear()
                rounds += 1
                paused_s = await self._patience.pause(rounds, waited_s, error.retry_after_s)
                if not paused_s:
                    raise
                waited_s += paused_s
            except (StageUnavailable, ModelExecutionFailed) as error:
                if error is self._failure:  # of the stage before, which has tried what it could
                    raise
                self._pool.failed(replica)
                tried.append(replica.address)
                failures += isinstance(error, ModelExecutionFailed)
                if len(tried) > len(self._pool.replicas) or failures == MAX_FAILURES:
                    raise
                _log.warning("trying another replica: %s", error)

    def close(self) -> None:
        """Cancel what is running."""
        if self._call is not None:
            self._call.cancel()

    async def _attempt(self, channel: grpc.aio.Channel) -> AsyncGenerator[Response, None]:
        stage = self._pool.stage
        self._call = self._method(channel)(
            self._noting_failure(), timeout=self._patience.time_left()
        )
        finished = False
        try:
            async for response in self._call:
                finished = response.WhichOneof("response") == "finished"
                yield response
        except grpc.aio.AioRpcError as error:
            raise self._failure or from_rpc_error(error, stage) from error
        except asyncio.CancelledError:
            if self._failure is not None:  # the call was cancelled because what feeds it failed
                raise self._failure from None
            raise
        if not finished:
            raise StageFailed(f"the {stage} stage ended its stream without saying that it finished")

    async def _noting_failure(self) -> AsyncIterator[Request]:
        """The requests, once the stage has room for them; remembers a failure, of which grpc would
        make a bare cancellation.
        """
        assert self._call is not None
        await self._call.initial_metadata()
        if self._call.done():  # refused
            return
        try:
            async for request in self._requests():
                yield request
        except BarkserveError as error:
            self._failure = error
            raise
