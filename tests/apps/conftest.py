"""Fixtures of the tests with Pipecat, LiveKit, S3 and a sound device.

The tests are collected where `make test-apps` has installed the frameworks and started a server.
"""

import importlib.util
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.apps.flaky_proxy import FlakyProxy

collect_ignore_glob = [] if importlib.util.find_spec("pipecat") else ["test_*.py"]


@pytest.fixture
def server() -> str:
    """HOST:PORT of an orchestrator with bark-mini."""
    return os.environ["BARKCLIENT_SERVER"]


@pytest_asyncio.fixture
async def proxy(server: str) -> AsyncIterator[FlakyProxy]:
    """A proxy to the server whose connections a test may cut, restore and hold."""
    async with FlakyProxy(server) as opened:
        yield opened
