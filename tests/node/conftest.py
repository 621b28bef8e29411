"""The Node.js client: built and installed by `make test-clients`, which sets NODE_CLIENT."""

import os
from pathlib import Path

import pytest

from tests.node.packed import CLIENT, install_packed


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
    install_packed(folder)
    return folder
