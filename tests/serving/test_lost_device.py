"""A stage whose device is lost ends, so that its supervisor starts a new process.

The tests need no GPU: from one moment on, every model call fails as it does after a device-side
assert.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.v1 import coarse_pb2, coarse_pb2_grpc, codec_pb2, codec_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import service_process

BREAKING = """
import pathlib, sys, torch
from barkserve import __main__
from barkserve.building import stage
from barkserve.codec.decoder import Decoder
from barkserve.engine.model_runner import ModelRunner

broken = pathlib.Path(sys.argv.pop(1))
Error = getattr(torch, "AcceleratorError", RuntimeError)

def touch():
    if broken.exists():
        raise Error("CUDA error: device-side assert triggered")

def breaking(work):
    def run(*given):
        touch()
        return work(*given)
    return run

make_thread = stage.ModelThread
stage.ModelThread = lambda begin, probe, *others: make_thread(begin, touch, *others)
ModelRunner.launch = breaking(ModelRunner.launch)
Decoder.decode = breaking(Decoder.decode)
__main__.main()
"""


async def coarse_requests() -> AsyncIterator[Any]:
    yield coarse_pb2.CoarseServiceGenerateRequest(config=coarse_pb2.CoarseConfig())
    tokens = coarse_pb2.SemanticInput(tokens=range(20))
    yield coarse_pb2.CoarseServiceGenerateRequest(semantic=tokens)


async def codec_requests() -> AsyncIterator[Any]:
    yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
    codes = [1] * TINY.n_fine_codebooks * 40
    yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))


async def outputs(stage: str, channel: grpc.aio.Channel) -> int:
    """The number of responses in a stream of this stage."""
    if stage == "coarse":
        call = coarse_pb2_grpc.CoarseServiceStub(channel).Generate(coarse_requests())
    else:
        call = codec_pb2_grpc.CodecServiceStub(channel).Decode(codec_requests())
    return len([response async for response in call])


@pytest.mark.parametrize("stage", ["coarse", "codec"])
async def test_stage_ends_when_its_device_is_lost(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path, stage: str
) -> None:
    broken = tmp_path / "broken"
    launch = ("-c", BREAKING, str(broken))
    async with (
        service_process(stage, checkpoint_of(TINY), "--threads=1", launch=launch) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        assert await outputs(stage, channel) > 1
        broken.touch()
        with pytest.raises(grpc.aio.AioRpcError):
            await outputs(stage, channel)
        assert await asyncio.wait_for(service.process.wait(), 60) == 1
