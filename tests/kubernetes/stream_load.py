"""Clients that listen to a cluster for as long as a test does something to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from barkclient import AsyncClient
from barkserve.v1 import speech_pb2, speech_pb2_grpc, status_pb2, status_pb2_grpc

_TEXT = "hello the world. the brown fox. hello."
_PACE_S = 0.2  # a listener reads no faster, so that streams outlast a preStop hook


@dataclass
class Listeners:
    """Streams that run one after the other, several side by side.

    Attributes:
        samples: of every stream that has finished, by the seed that it was asked with.
        messages: received so far, of all streams.
    """

    channel: grpc.aio.Channel
    samples: dict[int, list[int]] = field(default_factory=dict)
    messages: int = 0
    _over: bool = False

    async def listen(self, seed: int) -> None:
        """Stream after stream until the test is over, and that one to its end."""
        while not self._over:
            count = await self.speak(seed)
            self.samples.setdefault(seed, []).append(count)

    async def speak(self, seed: int) -> int:
        """One stream; returns its samples. Raises AioRpcError if it fails."""
        request = speech_pb2.SynthesizeRequest(text=_TEXT, seed=seed)
        stub = speech_pb2_grpc.SpeechServiceStub(self.channel)
        received, finished = 0, False
        async for response in stub.Synthesize(request):
            received += len(response.audio.audio) // 2
            finished = response.WhichOneof("response") == "finished"
            self.messages += 1
            await asyncio.sleep(_PACE_S)
        assert finished
        return received

    def end(self) -> None:
        """Begin no further streams."""
        self._over = True

    async def replicas(self, service: str) -> list[status_pb2.ReplicaStatus]:
        """What the orchestrator knows of a stage's replicas."""
        stub = status_pb2_grpc.StatusServiceStub(self.channel)
        answer = await stub.GetStatus(status_pb2.GetStatusRequest())
        return [each for each in answer.replicas if each.service == service]

    async def until(
        self, service: str, condition: Callable[[list[status_pb2.ReplicaStatus]], bool]
    ) -> None:
        """Wait until the orchestrator's view of a stage is as it should be."""
        async with asyncio.timeout(120):
            while not condition(await self.replicas(service)):  # noqa: ASYNC110 - to be asked
                await asyncio.sleep(0.05)

    async def more(self, messages: int = 20) -> None:
        """Wait until streams have gone on by so many messages."""
        wanted = self.messages + messages
        async with asyncio.timeout(120):
            while self.messages < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(address: str, count: int = 3) -> AsyncIterator[Listeners]:
    """So many listeners at the orchestrator; afterwards none of their streams has failed, and every
    text has been heard in one length.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        listeners = Listeners(channel)
        async with asyncio.TaskGroup() as tasks:
            for seed in range(count):
                tasks.create_task(listeners.listen(seed))
            await listeners.more(1)
            try:
                yield listeners
            finally:
                listeners.end()
    assert listeners.samples.keys() == set(range(count))
    for counts in listeners.samples.values():
        assert len(set(counts)) == 1, f"a stream lost or repeated samples: {counts}"


@asynccontextmanager
async def talking(address: str) -> AsyncIterator[None]:
    """Somebody who has said a sentence and not yet all; at the end the rest is heard too."""
    async with AsyncClient(address) as client, client.stream() as stream:
        talk = stream.speak(seed=1)
        talk.send(_TEXT)
        heard = len((await anext(talk)).samples())
        yield
        talk.send(_TEXT)
        talk.end()
        async for chunk in talk:
            heard += len(chunk.samples())
        assert talk.finished.sample_count == heard > 0
