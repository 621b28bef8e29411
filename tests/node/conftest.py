"""The Node.js client: built and installed by `make test-clients`, which sets NODE_CLIENT."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/node"
TIMEOUT_S = 280


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command to its end and return its output."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def client() -> Path:
    """The folder of the client, with its dependencies and built."""
    if not os.environ.get("NODE_CLIENT"):
        pytest.skip("the Node.js client is not built: make test-clients builds it")
    return CLIENT


@pytest.fixture(scope="session")
def installed(client: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new folder with the packed client as its only dependency."""
    folder = tmp_path_factory.mktemp("installed")
    (packed,) = json.loads(
        run("npm", "pack", "--json", "--ignore-scripts", f"--pack-destination={folder}", cwd=client)
    )
    (folder / "package.json").write_text('{"name": "user", "private": true}')
    run("npm", "install", "--prefer-offline", "--no-audit", f"./{packed['filename']}", cwd=folder)
    return folder
