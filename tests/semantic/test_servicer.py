"""Word alignment over gRPC: it changes no token and survives a failover."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.v1 import common_pb2, semantic_pb2, semantic_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.services import RunningService, running

TEXTS = ("The 2 dogs ran, and then they slept.", "Hello there.", "Where is my red coat?")


@dataclass
class Said:
    """The result of a call."""

    tokens: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    reason: int = 0


async def say(service: RunningService, text: str, **options: Any) -> Said:
    request = semantic_pb2.SemanticServiceGenerateRequest
    config = semantic_pb2.SemanticConfig(**{"seed": 3, "alignment": True, **options})
    stub = semantic_pb2_grpc.SemanticServiceStub(service.channel)
    said = Said()
    async for response in stub.Generate(iter((request(config=config), request(text=text)))):
        if response.WhichOneof("response") == "finished":
            said.reason = response.finished.finish_reason
            continue
        said.tokens.extend(response.tokens.tokens)
        said.characters.extend(response.tokens.characters)
        assert len(said.characters) <= len(config.produced) + len(said.tokens)
    return said


@pytest.fixture
async def mini() -> AsyncIterator[RunningService]:
    async with running("semantic", bundled_checkpoint()) as service:
        yield service


async def test_alignment_keeps_tokens_and_gives_each_a_character(mini: RunningService) -> None:
    for text in TEXTS:
        plain, said = await say(mini, text, alignment=False), await say(mini, text)
        assert plain.characters == []
        assert said.tokens == plain.tokens
        assert said.reason == plain.reason == common_pb2.FINISH_REASON_STOP
        assert len(said.characters) == len(said.tokens)
        assert said.characters == sorted(said.characters)
        assert said.characters[0] <= 1
        assert said.characters[-1] >= len(text) - 2


async def test_batched_alignment_equals_single(mini: RunningService) -> None:
    alone = [await say(mini, text) for text in TEXTS]
    assert await asyncio.gather(*(say(mini, text) for text in TEXTS)) == alone


async def test_replica_after_a_failover_reports_all_characters(mini: RunningService) -> None:
    whole = await say(mini, TEXTS[0])
    for cut in (1, 50, len(whole.tokens) - 1, len(whole.tokens)):
        rest = await say(mini, TEXTS[0], produced=whole.tokens[:cut])
        assert whole.tokens[:cut] + rest.tokens == whole.tokens
        assert rest.characters == whole.characters
        assert rest.reason == whole.reason


async def test_replica_without_tokens_left_reports_all_characters(
    mini: RunningService,
) -> None:
    whole = await say(mini, TEXTS[0], max_tokens=60)
    assert (len(whole.tokens), whole.reason) == (60, common_pb2.FINISH_REASON_LENGTH)
    rest = await say(mini, TEXTS[0], max_tokens=60, produced=whole.tokens)
    assert (rest.tokens, rest.reason) == ([], common_pb2.FINISH_REASON_LENGTH)
    assert rest.characters == whole.characters


async def test_tail_is_cut_at_the_same_token_after_a_failover(mini: RunningService) -> None:
    """Three tokens are fewer than any last letter takes."""
    cut = await say(mini, TEXTS[0], max_tail_tokens=3)
    whole = await say(mini, TEXTS[0])
    assert cut.reason == common_pb2.FINISH_REASON_LENGTH
    assert cut.tokens == whole.tokens[: len(cut.tokens)]
    assert 3 < len(cut.tokens) < len(whole.tokens)
    for produced in (20, len(cut.tokens) - 1, len(cut.tokens)):
        again = await say(mini, TEXTS[0], max_tail_tokens=3, produced=cut.tokens[:produced])
        assert cut.tokens[:produced] + again.tokens == cut.tokens
        assert again.reason == cut.reason


async def test_checkpoint_without_alignment_head_finds_one(
    mini: RunningService, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundled_checkpoint(), tmp_path / "nameless"))
    file = folder / "generation_config.json"
    generation = json.loads(file.read_text())
    del generation["alignment_head"]
    file.write_text(json.dumps(generation))
    named = await say(mini, TEXTS[2])
    async with running("semantic", folder) as service:
        found = await asyncio.gather(*(say(service, text) for text in TEXTS))
    assert found[2].tokens == named.tokens
    pairs = zip(found[2].characters, named.characters, strict=True)
    assert sum(abs(one - other) for one, other in pairs) <= len(named.tokens)


@pytest.mark.parametrize("greedy", [False, True])
async def test_random_weights_align_reproducibly(
    checkpoint_of: Callable[[CheckpointSpec], Path], greedy: bool
) -> None:
    sampling = common_pb2.Sampling(greedy=greedy)
    async with running("semantic", checkpoint_of(never_ending(TINY))) as service:
        first = await say(service, "hello the world", sampling=sampling, max_tokens=50)
        assert await say(service, "hello the world", sampling=sampling, max_tokens=50) == first
        plain = await say(
            service, "hello the world", sampling=sampling, max_tokens=50, alignment=False
        )
    assert first.tokens == plain.tokens
    assert len(first.characters) == len(first.tokens)


@pytest.mark.parametrize(
    "options", [{"max_tail_tokens": -1}, {"max_tail_tokens": 5, "alignment": False}]
)
async def test_invalid_tail_is_refused(mini: RunningService, options: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await say(mini, TEXTS[0], **options)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "max_tail_tokens" in (caught.value.details() or "")
