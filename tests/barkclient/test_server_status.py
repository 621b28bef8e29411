"""A refused caller hears the server's reason, also while text is being sent."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import barkclient
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running_chain
from tests.support.token_files import write_tokens


async def words() -> AsyncIterator[str]:
    for _ in range(50):
        yield "hello "


async def test_refusal_keeps_its_reason_while_text_is_sent(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak")
    async with (
        running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain,
        barkclient.AsyncClient(chain.address) as client,
    ):
        for _ in range(60):
            with pytest.raises(barkclient.Unauthenticated, match="no token"):
                await client.synthesize_stream(words()).read()
