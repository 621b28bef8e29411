"""Fixtures of the tests with Pipecat, LiveKit, S3 and a sound device.

The tests are collected where `make test-apps` has installed the frameworks and started a server.
"""

import importlib.util
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.apps.flaky_proxy import FlakyProxy

collect_ignore_glob = [] if importlib.util.find_spec("pipecat") else ["test_*.py"]


@pytest.fixture(scope="session")
def server() -> str:
    """HOST:PORT of an orchestrator with bark-mini."""
    return os.environ["BARKCLIENT_SERVER"]


@pytest.fixture(scope="session")
def gateway(server: str) -> Iterator[str]:
    """The URL of a gateway in front of that orchestrator."""
    command = ["barkserve", "gateway", "--orchestrator", server]
    ports = ["--port", "0", "--metrics-port", "0"]
    with subprocess.Popen([*command, *ports], text=True, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        urls = (re.search(r"listens on (http://[^\s\"]+)", line) for line in lines)
        yield next(url for url in urls if url is not None)[1]
        process.terminate()


@pytest_asyncio.fixture
async def proxy(server: str) -> AsyncIterator[FlakyProxy]:
    """A proxy to the server whose connections a test may cut, restore and hold."""
    async with FlakyProxy(server) as opened:
        yield opened
