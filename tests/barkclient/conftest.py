"""Fixtures of the client's tests: a scripted server and the command."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.barkclient.command_line import Command
from tests.barkclient.scripted_server import ScriptedSpeech, serve


@pytest_asyncio.fixture
async def speech() -> AsyncIterator[ScriptedSpeech]:
    servicer = ScriptedSpeech()
    async with serve(servicer) as servicer.target:
        yield servicer


@pytest.fixture
def command(tmp_path: Path, speech: ScriptedSpeech) -> Command:
    return Command(tmp_path, speech.target)
