"""The only replicas of stages are killed: streams wait, and continue when they are back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest

from barkserve.constants import STAGES
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.processes import ServiceProcess, free_port, service_process
from tests.support.mid_stream import blocked
from tests.support.services import running

SPEC = replace(never_ending(TINY), max_new_tokens=400, block_size=1024)
TIMEOUT_S = 240


@dataclass
class Chain:
    """An orchestrator, and the stages that are single processes at fixed ports."""

    speech: speech_pb2_grpc.SpeechServiceStub
    processes: list[ServiceProcess]
    start: Callable[[], Awaitable[list[ServiceProcess]]]

    def call(self, seed: int) -> "grpc.aio.UnaryStreamCall[object, speech_pb2.SynthesizeResponse]":
        request = speech_pb2.SynthesizeRequest(text="hello the world", seed=seed)
        return self.speech.Synthesize(request)

    async def pcm(self, seed: int) -> bytes:
        return audio([response async for response in self.call(seed)])

    async def kill(self) -> None:
        for service in self.processes:
            service.process.kill()
        for service in self.processes:
            assert await service.process.wait() == -signal.SIGKILL


def audio(responses: list[speech_pb2.SynthesizeResponse]) -> bytes:
    return b"".join(response.audio.audio for response in responses)


@asynccontextmanager
async def running_chain(folder: Path, wait_s: float, *killed: str) -> AsyncIterator[Chain]:
    async with asyncio.timeout(TIMEOUT_S), AsyncExitStack() as stack:
        ports = {stage: f"--port={free_port()}" for stage in killed}

        async def start() -> list[ServiceProcess]:
            starting = [
                stack.enter_async_context(service_process(stage, folder, "--threads=1", port))
                for stage, port in ports.items()
            ]
            return await asyncio.gather(*starting)

        processes = await start()
        addresses = {
            stage: service.address for stage, service in zip(killed, processes, strict=True)
        }
        for stage in STAGES:
            if stage not in killed:
                service = await stack.enter_async_context(running(stage, folder, threads=1))
                addresses[stage] = service.address
        orchestrator = await stack.enter_async_context(
            running("orchestrator", folder, replica_wait_seconds=wait_s, **addresses)
        )
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)
        yield Chain(speech, processes, start)


async def test_audio_is_the_same_after_the_only_replicas_restart(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two streams run when they are killed, and a third one begins before they are back."""
    released = blocked(monkeypatch, "semantic")
    released.set()
    async with running_chain(checkpoint_of(SPEC), TIMEOUT_S, "coarse", "codec") as chain:
        expected = [await chain.pcm(seed) for seed in (1, 2, 3)]
        released.clear()
        calls = [chain.call(seed) for seed in (1, 2)]
        streams = [aiter(call) for call in calls]
        heads = [[await anext(stream), await anext(stream)] for stream in streams]
        assert all(map(audio, heads))

        await chain.kill()
        released.set()
        late = asyncio.create_task(chain.pcm(3))
        await asyncio.sleep(2)
        assert not any(call.done() for call in calls)
        assert not late.done()
        await chain.start()
        tails = [[response async for response in stream] for stream in streams]
        heard = [audio(head) + audio(tail) for head, tail in zip(heads, tails, strict=True)]
        assert [*heard, await late] == expected


async def test_stream_fails_when_the_replica_does_not_return(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(SPEC), 0.5, "coarse") as chain:
        await chain.kill()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await chain.pcm(1)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caught.value.details() == (
            f"the coarse stage has no usable replica (tried {chain.processes[0].address}), also "
            "after a wait of 0.5 s. Check that it runs and is healthy, or raise "
            "--replica-wait-seconds"
        )
