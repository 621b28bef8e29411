"""Streams that run while a test changes the cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from barkclient import AsyncClient
from barkserve.v1 import speech_pb2, speech_pb2_grpc, status_pb2, status_pb2_grpc

_TEXT = "hello the world. the brown fox. hello."
_PACE_S = 0.2  # between two reads, which makes streams outlast a preStop hook


@dataclass
class StreamLoad:
    """Several clients at once, each with one stream after another.

    Attributes:
        samples: number of samples of each finished stream, by its seed.
        messages: number of messages received so far by all streams.
    """

    channel: grpc.aio.Channel
    samples: dict[int, list[int]] = field(default_factory=dict)
    messages: int = 0
    _stopped: bool = False

    async def run(self, seed: int) -> None:
        """Start stream after stream until stopped; finish the last one."""
        while not self._stopped:
            count = await self.speak(seed)
            self.samples.setdefault(seed, []).append(count)

    async def speak(self, seed: int) -> int:
        """Run one stream to its end.

        Returns:
            The number of its samples.

        Raises:
            AioRpcError: The stream failed.
        """
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

    def stop(self) -> None:
        """Start no further streams."""
        self._stopped = True

    async def replicas(self, service: str) -> list[status_pb2.ReplicaStatus]:
        """Return the orchestrator's view of a stage's replicas."""
        stub = status_pb2_grpc.StatusServiceStub(self.channel)
        answer = await stub.GetStatus(status_pb2.GetStatusRequest())
        return [each for each in answer.replicas if each.service == service]

    async def until(
        self, service: str, condition: Callable[[list[status_pb2.ReplicaStatus]], bool]
    ) -> None:
        """Wait until the orchestrator's view of a stage meets a condition."""
        async with asyncio.timeout(120):
            while not condition(await self.replicas(service)):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.05)

    async def progress(self, messages: int = 20) -> None:
        """Wait until the streams have received so many more messages."""
        wanted = self.messages + messages
        async with asyncio.timeout(120):
            while self.messages < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def streaming(address: str, count: int = 3) -> AsyncIterator[StreamLoad]:
    """Run `count` clients against the orchestrator.

    Afterwards no stream has failed, and all streams of one seed had the same length.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        load = StreamLoad(channel)
        async with asyncio.TaskGroup() as tasks:
            for seed in range(count):
                tasks.create_task(load.run(seed))
            await load.progress(1)
            try:
                yield load
            finally:
                load.stop()
    assert load.samples.keys() == set(range(count))
    for counts in load.samples.values():
        assert len(set(counts)) == 1, f"a stream lost or repeated samples: {counts}"


@asynccontextmanager
async def open_context(address: str) -> AsyncIterator[None]:
    """Keep a context open after its first sentence; finish it afterwards and check its length."""
    async with AsyncClient(address) as client, client.stream() as stream:
        context = stream.speak(seed=1)
        context.send(_TEXT)
        samples = len((await anext(context)).samples())
        yield
        context.send(_TEXT)
        context.end()
        async for chunk in context:
            samples += len(chunk.samples())
        assert context.finished.sample_count == samples > 0
