"""A rollout is not heard: every stage is replaced, replica by replica, while streams run. Real
processes and real signals; the replicas are found through EndpointSlices."""

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
from tests.checkpoints import TINY, CheckpointSpec, never_ending
from tests.discovery.api_server import ApiServer, endpoint, running_api_server
from tests.processes import ServiceProcess, service_process
from tests.services import running

SPEC = replace(never_ending(TINY), max_new_tokens=300, block_size=1024)
ROLLED = ("coarse", "codec")
"""One of each kind, to be quick; `make bench-scaling` starts and stops replicas of all four."""


class Roll:
    """A stage whose only replica is replaced by a new one, as a Deployment with maxSurge 1 does."""

    def __init__(self, stage: str, server: ApiServer, folder: Path, stack: AsyncExitStack) -> None:
        self._stage, self._server, self._folder, self._stack = stage, server, folder, stack
        self._count = 0
        self.old: ServiceProcess | None = None

    async def step(self) -> None:
        """Start a new replica, take the old one out of the slices, stop it and wait for it."""
        process = service_process(self._stage, self._folder, "--threads=1", "--drain-seconds=30")
        new = await self._stack.enter_async_context(process)
        self._count += 1
        old, self.old = self.old, new
        self._put(self._count, new, endpoint("127.0.0.1", ready=True))
        if old is None:
            return
        leaving = endpoint("127.0.0.1", ready=False, serving=True, terminating=True)
        self._put(self._count - 1, old, leaving)
        old.process.terminate()
        assert await asyncio.wait_for(old.process.wait(), 60) == 0
        self._server.delete(f"{self._stage}-{self._count - 1}")

    def _put(self, number: int, service: ServiceProcess, *endpoints: dict[str, Any]) -> None:
        port = int(service.address.rpartition(":")[2])
        name = f"{self._stage}-{number}"
        self._server.put(name, port, *endpoints, service=f"bark-{self._stage}")


async def test_every_replica_is_replaced_and_no_stream_fails(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: Any
) -> None:
    folder = checkpoint_of(SPEC)
    async with running_api_server() as server, AsyncExitStack() as stack:
        monkeypatch.setattr(spec, "EndpointSliceResolver", _towards(server))
        rolls = {stage: Roll(stage, server, folder, stack) for stage in ROLLED}
        await asyncio.gather(*(roll.step() for roll in rolls.values()))
        addresses = {
            stage: f"kubernetes:bark-{stage}.speech"
            if stage in ROLLED
            else (await stack.enter_async_context(running(stage, folder))).address
            for stage in STAGES
        }
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
        await roll.step()


async def _speak(
    speech: speech_pb2_grpc.SpeechServiceStub, seed: int, rolling: "asyncio.Task[None]"
) -> list[bytes]:
    """The same text again and again until the rollout is over, and once more."""
    request = speech_pb2.SynthesizeRequest(text="hello the world", seed=seed)
    spoken = []
    last = False
    while not last:
        last = rolling.done()
        responses = [response async for response in speech.Synthesize(request)]
        assert responses[-1].WhichOneof("response") == "finished"
        spoken.append(b"".join(response.audio.audio for response in responses))
    return spoken


def _towards(server: ApiServer) -> Callable[..., EndpointSliceResolver]:
    async def connect() -> Any:
        from kubernetes.aio import client

        return client.ApiClient(client.Configuration(host=server.url))

    def resolver(*arguments: Any) -> EndpointSliceResolver:
        return EndpointSliceResolver(*arguments, connect)

    return resolver
