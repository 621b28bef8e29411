"""Runs one stream over gRPC and records when each chunk arrives."""

import asyncio
from collections.abc import Sequence

import grpc

from barkclient.async_client import AsyncClient
from barkclient.bench.stream import OK, Arrival, StreamRecord
from barkclient.errors import BarkClientError, Cancelled, InvalidRequest, Overloaded
from barkclient.responses import AudioChunk, Started


class Speaker:
    """Runs streams. Stream N has text N, modulo their number, and seed `seed` + N.

    Args:
        client: its timeout applies to every stream.
        texts: the texts.
        voice: a name or an .npz file; None: the server's default.
        seed: of stream 0.
    """

    def __init__(
        self, client: AsyncClient, texts: Sequence[str], voice: str | None, seed: int
    ) -> None:
        self._client = client
        self._texts = texts
        self._voice = voice
        self._seed = seed
        self.started: Started | None = None  # of the last stream

    async def speak(self, index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        """Run one stream. A failure becomes the status of its record.

        Args:
            index: of the stream within its level.
            level_began_at: time of the event loop when the level began.
            begun_at: time of the event loop when the stream began.
        """
        arrivals: list[Arrival] = []
        status, message, retry_after_s = OK, "", 0.0
        try:
            await self._receive(index, begun_at, arrivals)
        except BarkClientError as error:
            status, message = status_name(error), str(error)
            if isinstance(error, Overloaded):
                retry_after_s = error.retry_after_s or 0.0
        return StreamRecord(
            index=index,
            begun_s=begun_at - level_began_at,
            ended_s=_now() - begun_at,
            arrivals=tuple(arrivals),
            status=status,
            message=message,
            retry_after_s=retry_after_s,
        )

    async def _receive(self, index: int, begun_at: float, arrivals: list[Arrival]) -> None:
        synthesis = self._client.synthesize(
            self._texts[index % len(self._texts)], voice=self._voice, seed=self._seed + index
        )
        async with synthesis:
            async for chunk in synthesis:
                if chunk.sample_count:
                    arrivals.append(_arrival(chunk, begun_at))
            self.started = synthesis.started


def _arrival(chunk: AudioChunk, begun_at: float) -> Arrival:
    return Arrival(_now() - begun_at, chunk.sample_count / chunk.sample_rate)


def _now() -> float:
    return asyncio.get_running_loop().time()


def status_name(error: BarkClientError) -> str:
    """Return the name of the gRPC status of an error, PROTOCOL for a protocol violation."""
    match error, error.__cause__:
        case _, grpc.RpcError() as cause:
            return cause.code().name
        case InvalidRequest(), _:
            return "INVALID_ARGUMENT"
        case Cancelled(), _:
            return "CANCELLED"
    return "PROTOCOL"
