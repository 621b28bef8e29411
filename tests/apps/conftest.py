"""What the frameworks' tests share. They are collected where `make test-apps` has installed the
frameworks and started a server; this folder knows nothing of the other tests.
"""

import importlib.util
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.apps.flaky_proxy import Line

collect_ignore_glob = [] if importlib.util.find_spec("pipecat") else ["test_*.py"]


@pytest.fixture
def server() -> str:
    """HOST:PORT of five services that speak bark-mini."""
    return os.environ["BARKCLIENT_SERVER"]


@pytest_asyncio.fixture
async def line(server: str) -> AsyncIterator[Line]:
    """The way to the server, which a test may cut and mend, and which says what is open on it."""
    async with Line(server) as opened:
        yield opened
