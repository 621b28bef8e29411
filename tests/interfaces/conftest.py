"""A server that is reached in every way, and the programs for it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interfaces.reached import Servers, Tools
from tests.languages.go import GO, MODULE
from tests.node.packed import install_packed, run
from tests.support.gateway import running_gateway
from tests.support.services import running_chain


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The clients for Node.js and Go."""
    if not (GO and os.environ.get("NODE_CLIENT")):
        pytest.skip("the clients for Node.js and Go are not built: make test-clients builds them")
    folder = tmp_path_factory.mktemp("tools")
    install_packed(folder)
    run(GO, "build", "-o", folder / "barksay", "./cmd/barksay", cwd=MODULE)
    return Tools(node=folder, barksay=folder / "barksay")


@pytest.fixture
async def servers(tiny_folder: Path) -> AsyncIterator[Servers]:
    """An orchestrator and a gateway that need no token."""
    async with (
        running_chain(tiny_folder, max_text_characters=1000) as chain,
        running_gateway(chain.address) as gateway,
    ):
        yield Servers(chain.address, gateway.url)
