"""Every stage continues from what it already produced, which is how a stream moves to a replica."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
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
from fixtures.checkpoints import TINY, CheckpointSpec, random_voice
from tests.support.services import running

SEED = 9
VOICE = random_voice(TINY, 50, seed=2)
RANDOM = np.random.default_rng(1)
SEMANTIC = RANDOM.integers(0, TINY.semantic_vocab_size, 45)
COARSE = RANDOM.integers(0, TINY.codebook_size, (200, 2))
FINE = RANDOM.integers(0, TINY.codebook_size, (60, TINY.n_fine_codebooks))


async def everything(call: Any, part: str, field: str) -> list[Any]:
    """Join the values of one field of all responses."""
    joined: list[Any] = []
    async for response in call:
        if response.WhichOneof("response") == part:
            joined.extend(getattr(getattr(response, part), field))
    return joined


def cuts(count: int) -> Iterator[int]:
    return iter(sorted({1, 2, count // 3, count // 2 + 1, count - 1, count}))


async def test_semantic_resumes_from_produced_tokens(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("semantic", checkpoint_of(TINY)) as service:
        stub = semantic_pb2_grpc.SemanticServiceStub(service.channel)

        async def tokens(produced: list[int]) -> list[int]:
            config = semantic_pb2.SemanticConfig(
                seed=SEED, semantic_prompt=VOICE["semantic_prompt"], produced=produced
            )
            messages = (
                semantic_pb2.SemanticServiceGenerateRequest(config=config),
                semantic_pb2.SemanticServiceGenerateRequest(text="hello the world"),
            )
            return await everything(stub.Generate(iter(messages)), "tokens", "tokens")

        whole = await tokens([])
        assert len(whole) > 10
        for cut in cuts(len(whole)):
            assert whole[:cut] + await tokens(whole[:cut]) == whole


async def test_coarse_resumes_from_produced_codes(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("coarse", checkpoint_of(TINY)) as service:
        stub = coarse_pb2_grpc.CoarseServiceStub(service.channel)

        async def codes(produced: list[int]) -> list[int]:
            config = coarse_pb2.CoarseConfig(
                seed=SEED,
                semantic_prompt=VOICE["semantic_prompt"],
                coarse_prompt=VOICE["coarse_prompt"].T.ravel(),
                produced=produced,
            )
            tokens = coarse_pb2.SemanticInput(tokens=SEMANTIC)
            messages = (
                coarse_pb2.CoarseServiceGenerateRequest(config=config),
                coarse_pb2.CoarseServiceGenerateRequest(semantic=tokens),
            )
            return await everything(stub.Generate(iter(messages)), "frames", "codes")

        whole = await codes([])
        assert len(whole) == 134  # floor(45 * 3.006 / 2) * 2
        for cut in cuts(len(whole) // 2):
            assert whole[: 2 * cut] + await codes(whole[: 2 * cut]) == whole
        assert service.metric("barkserve_slots_free", stage="coarse") == 16


@pytest.mark.parametrize("mode", [1, 2])
async def test_fine_resumes_from_produced_codes(
    checkpoint_of: Callable[[CheckpointSpec], Path], mode: int
) -> None:
    books = TINY.n_fine_codebooks
    async with running("fine", checkpoint_of(TINY)) as service:
        stub = fine_pb2_grpc.FineServiceStub(service.channel)

        async def codes(produced: list[int]) -> list[int]:
            config = fine_pb2.FineConfig(
                seed=SEED,
                delivery_mode=mode,
                fine_prompt=VOICE["fine_prompt"].T.ravel(),
                produced=produced,
            )
            messages = [fine_pb2.FineServiceGenerateRequest(config=config)]
            for part in np.array_split(COARSE, 7):
                coarse = fine_pb2.CoarseInput(codes=part.ravel())
                messages.append(fine_pb2.FineServiceGenerateRequest(coarse=coarse))
            return await everything(stub.Generate(iter(messages)), "frames", "codes")

        whole = await codes([])
        assert len(whole) == len(COARSE) * books
        for cut in cuts(len(COARSE)):
            assert whole[: cut * books] + await codes(whole[: cut * books]) == whole


async def test_codec_resumes_from_produced_samples(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("codec", checkpoint_of(TINY)) as service:
        stub = codec_pb2_grpc.CodecServiceStub(service.channel)

        async def pcm(produced: int) -> bytes:
            config = codec_pb2.CodecConfig(produced_samples=produced)
            messages = [codec_pb2.DecodeRequest(config=config)]
            for part in np.array_split(FINE, 9):
                frames = codec_pb2.FineInput(codes=part.ravel())
                messages.append(codec_pb2.DecodeRequest(frames=frames))
            return bytes(await everything(stub.Decode(iter(messages)), "samples", "pcm"))

        whole = await pcm(0)
        assert len(whole) == len(FINE) * 320 * 4
        for cut in cuts(len(FINE) * 320):
            assert await pcm(cut) == whole[cut * 4 :]
