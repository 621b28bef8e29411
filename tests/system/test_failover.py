"""Losing a replica in the middle of an utterance: another one continues with the next token."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.constants import STAGES
from barkserve.errors import ReplicaStalled
from barkserve.v1 import speech_pb2, speech_pb2_grpc, status_pb2, status_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.processes import service_process
from tests.support.hanging import hanging
from tests.support.mid_stream import blocked, load_of
from tests.support.services import RunningService, running

SPEC = replace(never_ending(TINY), max_new_tokens=400, block_size=1024)
REQUEST = speech_pb2.SynthesizeRequest(
    text="hello the world",
    seed=4,
    return_voice=True,
    word_times=True,
    audio_format=speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32),
)


@dataclass
class Pair:
    """The services, with two replicas of every stage."""

    stages: dict[str, list[RunningService]]
    orchestrator: RunningService

    @property
    def speech(self) -> speech_pb2_grpc.SpeechServiceStub:
        return speech_pb2_grpc.SpeechServiceStub(self.orchestrator.channel)

    async def stop_the_busy_replica(self, stage: str) -> None:
        """Stop the replica that has a stream at once, as when its pod is killed."""
        busy = [s for s in self.stages[stage] if s.metric("barkserve_streams", stage=stage)]
        assert len(busy) == 1
        await busy[0].server.stop(grace=None)


@asynccontextmanager
async def running_pairs(folder: Path, **options: Any) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        stages = {
            stage: [await stack.enter_async_context(running(stage, folder)) for _ in range(2)]
            for stage in STAGES
        }
        addresses = {
            stage: ",".join(service.address for service in services)
            for stage, services in stages.items()
        }
        orchestrator = running("orchestrator", folder, **addresses, **options)
        yield Pair(stages, await stack.enter_async_context(orchestrator))


async def uninterrupted(folder: Path) -> list[speech_pb2.SynthesizeResponse]:
    async with running_pairs(folder) as pair:
        return [response async for response in pair.speech.Synthesize(REQUEST)]


def audio(responses: list[speech_pb2.SynthesizeResponse]) -> bytes:
    return b"".join(response.audio.audio for response in responses)


def words(responses: list[speech_pb2.SynthesizeResponse]) -> list[speech_pb2.WordTime]:
    return [word for response in responses for word in response.words.words]


@pytest.mark.parametrize("stage", STAGES)
async def test_audio_is_seamless_when_a_replica_is_lost(
    checkpoint_of: Callable[[CheckpointSpec], Path], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint_of(SPEC)
    expected = await uninterrupted(folder)
    released = blocked(monkeypatch, stage)
    async with running_pairs(folder) as pair:
        responses = aiter(pair.speech.Synthesize(REQUEST))
        received = [await anext(responses), await anext(responses)]
        await pair.stop_the_busy_replica(stage)
        released.set()
        received += [response async for response in responses]
    assert_same_tokens(received, expected)


def assert_same_tokens(
    received: list[speech_pb2.SynthesizeResponse], expected: list[speech_pb2.SynthesizeResponse]
) -> None:
    assert words(received) == words(expected) != []
    ours, theirs = received[-1].finished, expected[-1].finished
    assert ours.voice == theirs.voice
    assert ours.sample_count == theirs.sample_count
    assert [r.output_count for r in ours.stages] == [r.output_count for r in theirs.stages]
    samples = [memoryview(audio(part)).cast("f") for part in (received, expected)]
    assert max(abs(a - b) for a, b in zip(*samples, strict=True)) < 1e-5


async def test_stream_fails_naming_a_stage_without_replicas(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_pairs(checkpoint_of(SPEC), replica_wait_seconds=0.5) as pair:
        for service in pair.stages["fine"]:
            await service.server.stop(grace=None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in pair.speech.Synthesize(REQUEST):
                pass
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "fine" in caught.value.details()


async def test_later_streams_avoid_a_replica_that_is_down(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_pairs(checkpoint_of(SPEC)) as pair:
        await pair.stages["coarse"][0].server.stop(grace=None)
        spoken = [
            [response async for response in pair.speech.Synthesize(REQUEST)] for _ in range(3)
        ]
    assert len({audio(responses) for responses in spoken}) == 1


async def test_full_replica_is_skipped(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(SPEC)
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        addresses = {stage: (await start(running(stage, folder))).address for stage in STAGES}
        full = await start(running("fine", folder, max_streams=0))
        addresses["fine"] = f"{full.address},{addresses['fine']}"
        orchestrator = await start(running("orchestrator", folder, **addresses))
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)
        ends = [[r async for r in speech.Synthesize(REQUEST)][-1] for _ in range(4)]
    assert all(end.finished.sample_count > 0 for end in ends)
    assert not full.metric("barkserve_requests_total", stage="fine", outcome="OK")


async def test_audio_is_seamless_after_sigkill(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """A coarse process is killed after the first audio; another process continues."""
    folder = checkpoint_of(SPEC)
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        addresses = {stage: (await start(running(stage, folder))).address for stage in STAGES}
        orchestrator = await start(running("orchestrator", folder, **addresses))
        expected = [
            r
            async for r in speech_pb2_grpc.SpeechServiceStub(orchestrator.channel).Synthesize(
                REQUEST
            )
        ]
        victim = await start(service_process("coarse", folder, "--threads=1"))
        addresses["coarse"] = f"{victim.address},{addresses['coarse']}"
        orchestrator = await start(running("orchestrator", folder, **addresses))
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)
        responses = aiter(speech.Synthesize(REQUEST))
        received = [await anext(responses), await anext(responses)]
        os.kill(victim.process.pid, signal.SIGKILL)
        received += [response async for response in responses]
    assert_same_tokens(received, expected)


async def test_audio_is_seamless_when_a_model_hangs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The model of a coarse process hangs in mid-stream. The process ends, another continues."""
    folder = checkpoint_of(SPEC)
    released = blocked(monkeypatch, "semantic")
    released.set()
    async with asyncio.timeout(240), AsyncExitStack() as stack:
        start = stack.enter_async_context
        coarse = {}
        for file in (tmp_path / "one", tmp_path / "two"):
            launch = hanging(file, "model")
            flags = ("--threads=1", "--step-timeout-seconds=3")
            coarse[file] = await start(service_process("coarse", folder, *flags, launch=launch))
        addresses = {"coarse": ",".join(each.address for each in coarse.values())}
        for stage in ("semantic", "fine", "codec"):
            addresses[stage] = (await start(running(stage, folder))).address
        orchestrator = await start(running("orchestrator", folder, **addresses))
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)
        expected = [response async for response in speech.Synthesize(REQUEST)]
        released.clear()
        responses = aiter(speech.Synthesize(REQUEST))
        received = [await anext(responses), await anext(responses)]
        (busy,) = [file for file, each in coarse.items() if (await load_of(each)).streams]
        busy.touch()
        released.set()
        received += [response async for response in responses]
        assert_same_tokens(received, expected)
        assert await coarse[busy].process.wait() == ReplicaStalled.exit_code


async def states(orchestrator: RunningService) -> dict[str, int]:
    """The states of all replicas, by address, as the orchestrator sees them."""
    stub = status_pb2_grpc.StatusServiceStub(orchestrator.channel)
    status = await stub.GetStatus(status_pb2.GetStatusRequest())
    return {replica.address: replica.state for replica in status.replicas}


async def test_audio_is_seamless_when_a_process_hangs(
    checkpoint_of: Callable[[CheckpointSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coarse process gets SIGSTOP in mid-stream, and SIGCONT later."""
    folder = checkpoint_of(SPEC)
    released = blocked(monkeypatch, "semantic")
    released.set()
    async with asyncio.timeout(240), AsyncExitStack() as stack:
        start = stack.enter_async_context
        first = await start(service_process("coarse", folder, "--threads=1"))
        second = await start(service_process("coarse", folder, "--threads=1"))
        addresses = {"coarse": f"{first.address},{second.address}"}
        for stage in ("semantic", "fine", "codec"):
            addresses[stage] = (await start(running(stage, folder))).address
        orchestrator = await start(running("orchestrator", folder, **addresses))
        speech = speech_pb2_grpc.SpeechServiceStub(orchestrator.channel)

        async def speak() -> list[speech_pb2.SynthesizeResponse]:
            return [response async for response in speech.Synthesize(REQUEST)]

        expected = await speak()
        released.clear()
        responses = aiter(speech.Synthesize(REQUEST))
        received = [await anext(responses), await anext(responses)]
        hung, live = first, second
        if not (await load_of(hung)).streams:
            hung, live = second, first
        before = await load_of(hung)
        assert (before.streams, (await load_of(live)).streams) == (1, 0)

        hung.process.send_signal(signal.SIGSTOP)
        stopped_at = asyncio.get_running_loop().time()
        released.set()
        received += [response async for response in responses]
        assert_same_tokens(received, expected)

        await asyncio.sleep(stopped_at + 3.0 - asyncio.get_running_loop().time())
        assert (await states(orchestrator))[hung.address] == status_pb2.ReplicaStatus.STATE_SILENT
        taken = (await load_of(live)).taken
        for each in await asyncio.gather(*(speak() for _ in range(8))):
            assert_same_tokens(each, expected)
        assert (await load_of(live)).taken == taken + 8

        hung.process.send_signal(signal.SIGCONT)
        assert (await load_of(hung)).taken == before.taken
        ready = {status_pb2.ReplicaStatus.STATE_READY}
        while set((await states(orchestrator)).values()) != ready:  # noqa: ASYNC110 - remote state
            await asyncio.sleep(0.05)
        for each in await asyncio.gather(*(speak() for _ in range(4))):
            assert_same_tokens(each, expected)
        assert (await load_of(hung)).taken > before.taken
