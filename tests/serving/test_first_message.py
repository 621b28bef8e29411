"""Stages end accepted streams that send no first message."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.v1 import (
    coarse_pb2,
    coarse_pb2_grpc,
    codec_pb2,
    codec_pb2_grpc,
    fine_pb2,
    fine_pb2_grpc,
    semantic_pb2,
    semantic_pb2_grpc,
)
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.fakes import until
from tests.support.services import running

METHODS: dict[str, Callable[[grpc.aio.Channel], Any]] = {
    "semantic": lambda channel: semantic_pb2_grpc.SemanticServiceStub(channel).Generate,
    "coarse": lambda channel: coarse_pb2_grpc.CoarseServiceStub(channel).Generate,
    "fine": lambda channel: fine_pb2_grpc.FineServiceStub(channel).Generate,
    "codec": lambda channel: codec_pb2_grpc.CodecServiceStub(channel).Decode,
}
CONFIGS = {
    "semantic": semantic_pb2.SemanticServiceGenerateRequest(config=semantic_pb2.SemanticConfig()),
    "coarse": coarse_pb2.CoarseServiceGenerateRequest(config=coarse_pb2.CoarseConfig()),
    "fine": fine_pb2.FineServiceGenerateRequest(config=fine_pb2.FineConfig()),
    "codec": codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig()),
}


@pytest.mark.parametrize("stage", METHODS)
async def test_stage_ends_streams_without_a_first_message(
    stage: str, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> None:
    async with running(stage, checkpoint_of(TINY), first_message_seconds=0.3) as service:
        silent = METHODS[stage](service.channel)()
        await silent.initial_metadata()
        assert service.load().streams == 1
        with pytest.raises(grpc.aio.AioRpcError, match=r"0\.3 s.*--first-message-seconds") as ended:
            await silent.read()
        assert ended.value.code() is grpc.StatusCode.ABORTED
        await until(lambda: service.load().streams == 0)


async def test_semantic_stage_limits_the_time_between_config_and_text(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("semantic", checkpoint_of(TINY), first_message_seconds=0.3) as service:
        call = METHODS["semantic"](service.channel)()
        await call.write(CONFIGS["semantic"])
        with pytest.raises(grpc.aio.AioRpcError, match="the text, right after the config") as ended:
            await call.read()
        assert ended.value.code() is grpc.StatusCode.ABORTED


@pytest.mark.parametrize("stage", ["coarse", "fine", "codec"])
async def test_stage_waits_longer_for_later_messages(
    stage: str, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> None:
    """Only the first message is limited: a stage waits for the stage before it."""
    async with running(stage, checkpoint_of(TINY), first_message_seconds=0.3) as service:
        call = METHODS[stage](service.channel)()
        await call.write(CONFIGS[stage])
        reading = asyncio.ensure_future(call.read())
        done, _ = await asyncio.wait([reading], timeout=1.0)
        assert not done
        call.cancel()
        await asyncio.gather(reading, return_exceptions=True)
