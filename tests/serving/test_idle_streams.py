"""Streams that wait for their caller: for its next input, or until it reads."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.v1 import codec_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.serving.test_first_message import CONFIGS, METHODS
from tests.support.dialog import config, dialog
from tests.support.fakes import until
from tests.support.services import running, running_chain

ABORTED = grpc.StatusCode.ABORTED
FRAMES = codec_pb2.DecodeRequest(
    frames=codec_pb2.FineInput(codes=[1] * TINY.n_fine_codebooks * 150)
)
MESSAGES = 10


async def failure(call: Any) -> grpc.aio.AioRpcError:
    """Read to the end, which must be an error."""
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await read_all(call)
    return ended.value


async def read_all(call: Any) -> list[str]:
    """Read to the end; returns the kinds of the responses."""
    kinds = []
    while (response := await call.read()) is not grpc.aio.EOF:
        kinds.append(response.WhichOneof("response"))
    return kinds


@pytest.mark.parametrize("stage", ["coarse", "fine", "codec"])
async def test_stage_ends_streams_without_further_input(
    stage: str, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> None:
    async with running(stage, checkpoint_of(TINY), input_idle_seconds=0.3) as service:
        call = METHODS[stage](service.channel)()
        await call.write(CONFIGS[stage])
        error = await failure(call)
        assert error.code() is ABORTED
        assert "within 0.3 s" in str(error.details())
        assert "--input-idle-seconds" in str(error.details())
        await until(lambda: service.load().streams == 0)


async def test_stage_counts_no_idle_time_of_a_slow_reader(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """All input is sent at once. The stage waits for its reader, not for input."""
    async with running("codec", checkpoint_of(TINY), input_idle_seconds=0.3) as service:
        call = METHODS["codec"](service.channel)()
        await call.write(CONFIGS["codec"])
        sending = asyncio.create_task(send_frames(call))
        await asyncio.sleep(1.0)
        assert service.load().streams == 1
        assert (await read_all(call))[-1] == "finished"
        await sending


async def test_stage_ends_streams_without_a_reader(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("codec", checkpoint_of(TINY), output_idle_seconds=0.5) as service:
        call = METHODS["codec"](service.channel)()
        await call.write(CONFIGS["codec"])
        sending = asyncio.create_task(send_frames(call))
        await until(lambda: service.load().streams == 1)
        await until(lambda: service.load().streams == 0)
        error = await failure(call)
        await asyncio.gather(sending, return_exceptions=True)
        assert error.code() is ABORTED
        assert "read nothing for 0.5 s" in str(error.details())
        assert "--output-idle-seconds" in str(error.details())
        assert service.metric("barkserve_requests_total", stage="codec", outcome="ABORTED") == 1


async def send_frames(call: Any) -> None:
    """Send frames whose samples do not fit into the connection's buffers, then half-close."""
    for _ in range(MESSAGES):
        await call.write(FRAMES)
    await call.done_writing()


async def test_context_continues_after_its_stages_were_idle(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """The codec ends the call of a context that waits for text. The next text continues it."""
    folder = checkpoint_of(replace(never_ending(TINY), max_new_tokens=60))
    spoken = []
    for limits in ({}, {"input_idle_seconds": 0.2}):
        async with running_chain(folder, **limits) as chain, dialog(chain) as call:
            await call.send(config=config(max_delay_ms=1, seed=1, text="hello the world. "))
            await call.until("audio")
            await call.send(flush={"flush_id": "first"})
            await call.until("flush_done")
            await asyncio.sleep(2.0)
            await call.send(text="the world hello. ")
            await call.rest()
            assert call.kinds()[-1] == "finished"
            spoken.append(call.audio())
            ended = chain.services["codec"].metric(
                "barkserve_requests_total", stage="codec", outcome="ABORTED"
            )
            assert bool(limits) == bool(ended)
    assert spoken[0] == spoken[1]
