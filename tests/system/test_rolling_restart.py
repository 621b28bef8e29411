"""A rollout causes no audible gap: every stage is replaced while streams run.

The old replicas are real processes that get real signals. EndpointSlices list the replicas.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from barkserve.constants import STAGES
from barkserve.discovery import spec
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.kubernetes_api import ApiServer, endpoint, running_api_server
from fixtures.processes import service_process
from tests.support.services import running

SPEC = replace(never_ending(TINY), max_new_tokens=300, block_size=1024)


class Roll:
    """Replaces a stage's only replica, as a Deployment with maxSurge 1 does.

    The old replica is a process that a signal terminates. The new one runs in this process, which
    saves the time to start another.
    """

    def __init__(self, stage: str, server: ApiServer, folder: Path, stack: AsyncExitStack) -> None:
        self._stage, self._server, self._folder, self._stack = stage, server, folder, stack

    async def begin(self) -> None:
        """Start the old replica."""
        process = service_process(self._stage, self._folder, "--threads=1", "--drain-seconds=30")
        self._old = await self._stack.enter_async_context(process)
        self._put("old", self._old.address, endpoint("127.0.0.1", ready=True))

    async def replace(self) -> None:
        """Start the new replica, remove the old one from the slices, stop it and wait for it."""
        new = await self._stack.enter_async_context(running(self._stage, self._folder))
        self._put("new", new.address, endpoint("127.0.0.1", ready=True))
        terminating_endpoint = endpoint("127.0.0.1", ready=False, serving=True, terminating=True)
        self._put("old", self._old.address, terminating_endpoint)
        self._old.process.terminate()
        assert await asyncio.wait_for(self._old.process.wait(), 60) == 0
        self._server.delete(f"{self._stage}-old")

    def _put(self, name: str, address: str, *endpoints: dict[str, Any]) -> None:
        port = int(address.rpartition(":")[2])
        self._server.put(f"{self._stage}-{name}", port, *endpoints, service=f"bark-{self._stage}")


async def test_rolling_restart_fails_no_stream(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: Any
) -> None:
    folder = checkpoint_of(SPEC)
    async with running_api_server() as server, AsyncExitStack() as stack:
        monkeypatch.setattr(spec, "EndpointSliceResolver", _resolver_for(server))
        rolls = {stage: Roll(stage, server, folder, stack) for stage in STAGES}
        await asyncio.gather(*(roll.begin() for roll in rolls.values()))
        addresses = {stage: f"kubernetes:bark-{stage}.speech" for stage in STAGES}
        orchestrator = await stack.enter_async_context(running("orchestrator", folder, **addresses))
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)
        rolling = asyncio.create_task(_roll(rolls))
        spoken = await asyncio.gather(*(_speak(speech, seed, rolling) for seed in range(3)))
        await rolling
    for seed_audio in spoken:
        assert len(seed_audio) >= 2
        assert len({len(audio) for audio in seed_audio}) == 1, "a stream lost or repeated samples"


async def _roll(rolls: dict[str, Roll]) -> None:
    for roll in rolls.values():
        await roll.replace()


async def _speak(
    speech: speech_pb2_grpc.SpeechServiceStub, seed: int, rolling: "asyncio.Task[None]"
) -> list[bytes]:
    """Speak the same text until the rollout has ended, and once more."""
    request = speech_pb2.SynthesizeRequest(text="hello the world", seed=seed)
    spoken = []
    last = False
    while not last:
        last = rolling.done()
        responses = [response async for response in speech.Synthesize(request)]
        assert responses[-1].WhichOneof("response") == "finished"
        spoken.append(b"".join(response.audio.audio for response in responses))
    return spoken


def _resolver_for(server: ApiServer) -> Callable[..., EndpointSliceResolver]:
    async def connect() -> Any:
        from kubernetes.aio import client

        return client.ApiClient(client.Configuration(host=server.url))

    def resolver(*arguments: Any) -> EndpointSliceResolver:
        return EndpointSliceResolver(*arguments, connect)

    return resolver
