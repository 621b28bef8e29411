"""One stream over gRPC: asks, listens to the end, notes when each chunk came."""

import time
from collections.abc import Sequence

import grpc

from barkclient.async_client import AsyncClient
from barkclient.bench.stream import OK, Arrival, StreamRecord
from barkclient.errors import BarkClientError, Cancelled, InvalidRequest
from barkclient.responses import AudioChunk, Started


class Speaker:
    """Speaks stream N as text N (and round again) with seed N: every level asks for the same.

    Args:
        client: where to ask; its timeout bounds every stream.
        texts: what to say.
        voice: a name, or an .npz file; None is the server's default.
        seed: of stream 0; the others count on from it.
    """

    def __init__(
        self, client: AsyncClient, texts: Sequence[str], voice: str | None, seed: int
    ) -> None:
        self._client = client
        self._texts = texts
        self._voice = voice
        self._seed = seed
        self.started: Started | None = None  # what the server last said it speaks with

    async def speak(self, index: int, level_began_at: float, begun_at: float) -> StreamRecord:
        """Never fails: what goes wrong is the record's status."""
        arrivals: list[Arrival] = []
        status, message = OK, ""
        try:
            await self._listen(index, begun_at, arrivals)
        except BarkClientError as error:
            status, message = status_name(error), str(error)
        return StreamRecord(
            index=index,
            begun_s=begun_at - level_began_at,
            ended_s=time.monotonic() - begun_at,
            arrivals=tuple(arrivals),
            status=status,
            message=message,
        )

    async def _listen(self, index: int, begun_at: float, arrivals: list[Arrival]) -> None:
        synthesis = self._client.synthesize(
            self._texts[index % len(self._texts)], voice=self._voice, seed=self._seed + index
        )
        async with synthesis:
            async for chunk in synthesis:
                if chunk.sample_count:
                    arrivals.append(_arrival(chunk, begun_at))
            self.started = synthesis.started


def _arrival(chunk: AudioChunk, begun_at: float) -> Arrival:
    return Arrival(time.monotonic() - begun_at, chunk.sample_count / chunk.sample_rate)


def status_name(error: BarkClientError) -> str:
    """The gRPC status behind an error, by name; PROTOCOL if the answer itself was at fault."""
    match error, error.__cause__:
        case _, grpc.RpcError() as cause:
            return cause.code().name
        case InvalidRequest(), _:
            return "INVALID_ARGUMENT"
        case Cancelled(), _:
            return "CANCELLED"
    return "PROTOCOL"
