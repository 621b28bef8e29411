"""Limits of what an open StreamingSynthesize call may hold: idle contexts, idle calls, flushes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.external import riva_tts_pb2_grpc
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.dialog import Dialog, config, dialog, spoken
from tests.support.fakes import until
from tests.support.services import Chain, running, running_chain

ABORTED = grpc.StatusCode.ABORTED


@pytest.fixture
def checkpoint(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Path:
    return checkpoint_of(TINY)


@asynccontextmanager
async def orchestrator(checkpoint: Path, **options: Any) -> AsyncIterator[Chain]:
    """An orchestrator without stages, for contexts that never speak."""
    async with running("orchestrator", checkpoint, **options) as service:
        yield Chain({"orchestrator": service})


def streams(chain: Chain) -> int:
    """The streams that the orchestrator has admitted and not ended."""
    return chain.services["orchestrator"].load().streams


async def failure(call: Dialog) -> grpc.aio.AioRpcError:
    """The status that ends a call, read with its further messages."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.until("never")
    return raised.value


async def test_context_without_text_fails_and_frees_its_place(checkpoint: Path) -> None:
    async with (
        orchestrator(checkpoint, context_idle_seconds=0.3, max_streams=1) as chain,
        dialog(chain) as call,
    ):
        await call.send("idle", config=config())
        await call.until("started", "idle")
        assert streams(chain) == 0  # it has nothing to compute
        error = (await call.until("error", "idle")).error
        assert error.code == ABORTED.value[0]
        assert "0.3 s" in error.message
        assert "--context-idle-seconds" in error.message
        await call.send("next", config=config())
        await call.until("started", "next")  # the call goes on


async def test_context_with_text_is_not_idle_until_it_is_played(checkpoint: Path) -> None:
    async with (
        running_chain(checkpoint, context_idle_seconds=0.2) as chain,
        dialog(chain) as call,
    ):
        expected, finished = await spoken(chain, "hello the world.", seed=1)
        await call.send(config=config(max_delay_ms=1, seed=1, text="hello the world. "))
        await call.until("audio")
        sent_at = asyncio.get_running_loop().time()
        await call.until("error")
        waited_s = asyncio.get_running_loop().time() - sent_at
        assert call.kinds() == ["started", "audio", "error"]
        assert call.audio() == expected
        # Playback starts with the first chunk, which was on its way for an instant.
        assert waited_s > finished.sample_count / 24_000 + 0.2 - 0.1


async def test_call_without_contexts_fails(checkpoint: Path) -> None:
    async with (
        orchestrator(checkpoint, call_idle_seconds=0.3) as chain,
        dialog(chain) as call,
    ):
        error = await failure(call)
    assert error.code() is ABORTED
    assert "0.3 s" in str(error.details())
    assert "--call-idle-seconds" in str(error.details())


async def test_call_idle_time_starts_when_its_last_context_ends(checkpoint: Path) -> None:
    loop = asyncio.get_running_loop()
    async with (
        orchestrator(checkpoint, call_idle_seconds=0.4) as chain,
        dialog(chain) as call,
    ):
        await call.send(config=config())
        await call.until("started")
        await asyncio.sleep(0.8)
        await call.send(cancel=speech_pb2.Cancel())
        cancelled_at = loop.time()
        await call.until("finished")
        assert (await failure(call)).code() is ABORTED
        assert loop.time() >= cancelled_at + 0.4


async def test_riva_call_without_a_request_fails(checkpoint: Path) -> None:
    async with running("orchestrator", checkpoint, call_idle_seconds=0.3) as service:
        riva = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(service.channel)
        with pytest.raises(grpc.aio.AioRpcError, match=r"0\.3 s.*--call-idle-seconds") as raised:
            await riva.SynthesizeOnline().read()
        assert raised.value.code() is ABORTED


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"npz": b"x" * (2 << 20)}, "voice: must have at most 1049600 bytes"),
        ({"history_prompt": {"fine_prompt": [1] * 1_060_000}}, "voice: must have at most"),
        ({"name": "x" * (2 << 20)}, "options: must have at most 65536 bytes"),
    ],
    ids=["npz", "tokens", "name"],
)
async def test_requests_with_large_options_are_rejected(
    checkpoint: Path, selection: dict[str, Any], message: str
) -> None:
    large = speech_pb2.VoiceSelection(**selection)
    async with (
        orchestrator(checkpoint) as chain,
        dialog(chain) as call,
    ):
        await call.send(config=config(voice=large))
        error = (await call.until("error")).error
        assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert error.message.startswith(message)
        with pytest.raises(grpc.aio.AioRpcError, match=message):
            await spoken(chain, "hello", voice=large)
        assert streams(chain) == 0


async def test_zero_disables_the_idle_limits(checkpoint: Path) -> None:
    async with (
        orchestrator(checkpoint, call_idle_seconds=0, context_idle_seconds=0) as chain,
        dialog(chain) as call,
    ):
        await asyncio.sleep(0.2)
        await call.send(config=config())
        await call.until("started")
        await asyncio.sleep(0.2)
        await call.send(cancel=speech_pb2.Cancel())
        await call.until("finished")
    assert call.kinds() == ["started", "finished"]


async def test_context_limits_flushes_while_client_does_not_wait(checkpoint: Path) -> None:
    """The first text waits for a stage, so its flush and all later ones stay pending."""
    async with (
        orchestrator(checkpoint, max_pending_flushes=3, codec="127.0.0.1:1") as chain,
        dialog(chain) as call,
    ):
        await call.send("flushes", config=config(text="hello"))
        await call.send("other", config=config())
        for number in range(4):
            await call.send("flushes", flush=speech_pb2.Flush(flush_id=f"{number}"))
        error = (await call.until("error", "flushes")).error
        assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert "3 flushes are pending" in error.message
        await call.send("other", cancel=speech_pb2.Cancel())
        await call.until("finished", "other")


async def test_contexts_that_wait_for_a_reader_are_limited(checkpoint: Path) -> None:
    """A client that does not read cannot collect failed contexts beyond the limit of streams."""
    wrong = config(voice=speech_pb2.VoiceSelection(name="unknown"))
    async with (
        orchestrator(checkpoint, max_streams=4) as chain,
        dialog(chain) as call,
    ):
        for number in range(12):
            await call.send(f"{number}", config=wrong)
        await until(lambda: streams(chain) == 0)
        await call.rest()
    codes = [response.error.code for response in call.received]
    assert len(codes) == 12
    assert set(codes) <= {
        grpc.StatusCode.NOT_FOUND.value[0],
        grpc.StatusCode.RESOURCE_EXHAUSTED.value[0],
    }
