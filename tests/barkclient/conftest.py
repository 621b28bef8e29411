"""One scripted server for each test of the client."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.barkclient.scripted_server import ScriptedSpeech, serve


@pytest_asyncio.fixture
async def speech() -> AsyncIterator[ScriptedSpeech]:
    servicer = ScriptedSpeech()
    async with serve(servicer) as servicer.target:
        yield servicer
