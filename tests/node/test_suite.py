"""The Node.js client's own tests, without a server and against `barkserve up`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.packed import run
from tests.support.token_files import write_tokens
from tests.system.test_end_to_end import Up, start_up, wait_until_gone

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def up(client: Path, tiny_folder: Path, tmp_path: Path) -> Iterator[Up]:
    tokens = write_tokens(
        tmp_path / "tokens.toml",
        "full speak manage-voices operate",
        "solo speak",
        solo="streams = 1",
    )
    store = tmp_path / "voices"
    flags = {"auth-tokens": tokens, "voice-store": store, "admission": "count"}
    started = start_up(tiny_folder, **flags)
    yield started
    started.process.kill()
    started.rest_of_stderr()
    wait_until_gone(started.services)


def test_unit_tests_pass(client: Path) -> None:
    run("npm", "test", cwd=client)


def test_server_tests_pass(client: Path, up: Up) -> None:
    environment = {
        "BARKCLIENT_SERVER": up.address,
        "BARKCLIENT_TOKEN": "full-token",
        "SOLO_TOKEN": "solo-token",
        "PYTHON_BARKCLIENT": str(Path(sys.executable).with_name("barkclient")),
    }
    run("npm", "run", "test-server", cwd=client, **environment)
