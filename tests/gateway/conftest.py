"""A chain on the smallest checkpoint, with a gateway in front."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain, running_chain


@pytest.fixture
async def chain(tiny_folder: Path) -> AsyncIterator[Chain]:
    async with running_chain(tiny_folder) as started:
        yield started


@pytest.fixture
async def gateway(chain: Chain) -> AsyncIterator[RunningGateway]:
    async with running_gateway(chain.address) as started:
        yield started
