"""Faults of clients: too many of them, slow ones and idle ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc

from barkserve.v1 import speech_pb2, speech_pb2_grpc
from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.scene import Scene, becomes
from tools.chaos.speaker import REFUSED, Speaker

OVERLOAD = 10
OVERLOAD_S = 20.0
SLOW_READERS = 8
IDLE_CALLS = 200
SILENT_CONNECTIONS = 200
_OPENED_S = 60.0
_LONG_TEXT = "The river rises slowly, and the mill wheel turns. " * 20


@asynccontextmanager
async def overload(scene: Scene) -> AsyncIterator[None]:
    """Let ten times as many clients call. A refused one calls again after the delay it is told."""
    extra = [
        Speaker(scene.cluster.target(number), scene.utterances, number)
        for number in range((OVERLOAD - 1) * len(scene.speakers))
    ]
    scene.speakers += extra
    tasks = [asyncio.create_task(speaker.run()) for speaker in extra]
    try:
        await asyncio.sleep(OVERLOAD_S)
        for speaker in extra:
            speaker.finish_accepted()
        yield
        await asyncio.gather(*tasks)
        statuses = [stream.status for speaker in scene.speakers for stream in speaker.streams]
        scene.expect(REFUSED in statuses, "no stream was refused")
    finally:
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def slow_readers(scene: Scene) -> AsyncIterator[None]:
    """Open streams whose audio is never read."""
    async with AsyncExitStack() as stack:
        speech = await _stub(stack, scene)
        request = speech_pb2.SynthesizeRequest(text=_LONG_TEXT, seed=1)
        calls = [speech.Synthesize(request) for _ in range(SLOW_READERS)]
        await _expect_open(scene, SLOW_READERS)
        yield
        held = sum(not call.done() for call in calls)
        scene.expect(held == SLOW_READERS, f"only {held} calls that read nothing were held")
        for call in calls:
            call.cancel()


@asynccontextmanager
async def idle_clients(scene: Scene) -> AsyncIterator[None]:
    """Open calls that send nothing, and connections that never speak HTTP/2."""
    address = scene.cluster.replicas[ORCHESTRATOR][0].address
    host, _, port = address.rpartition(":")
    async with AsyncExitStack() as stack:
        speech = await _stub(stack, scene)
        calls = [speech.StreamingSynthesize(_nothing()) for _ in range(IDLE_CALLS)]
        writers = []
        for _ in range(SILENT_CONNECTIONS):
            _, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
        await _expect_open(scene, IDLE_CALLS)
        yield
        held = sum(not call.done() for call in calls)
        scene.expect(held == IDLE_CALLS, f"only {held} idle calls were held")
        for call in calls:
            call.cancel()
        for writer in writers:
            writer.transport.abort()


async def _expect_open(scene: Scene, calls: int) -> None:
    """Wait until the first orchestrator serves calls, and note a failure if it does not."""
    orchestrator = scene.cluster.replicas[ORCHESTRATOR][0]

    async def are_open() -> bool:
        return await orchestrator.streams() >= calls

    scene.expect(await becomes(are_open, _OPENED_S), f"{calls} calls could not be opened")


async def _stub(stack: AsyncExitStack, scene: Scene) -> "speech_pb2_grpc.SpeechServiceAsyncStub":
    """Connect to the first orchestrator over a connection of its own."""
    address = scene.cluster.replicas[ORCHESTRATOR][0].address
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.aio.insecure_channel(address, options=options)
    return speech_pb2_grpc.SpeechServiceStub(await stack.enter_async_context(channel))


async def _nothing() -> AsyncIterator[speech_pb2.StreamingSynthesizeRequest]:
    await asyncio.Event().wait()
    yield speech_pb2.StreamingSynthesizeRequest()
