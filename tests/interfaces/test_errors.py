"""What a user reads when something is wrong, in every way to reach the server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interfaces.reached import GRPC_WAYS, WAYS, Outcome, Servers, SpeechRequest, Tools
from tests.support.gateway import running_gateway
from tests.support.services import running_chain
from tests.support.token_files import write_tokens

pytestmark = pytest.mark.timeout(600)  # one fixture builds the clients

UNUSED = "127.0.0.1:1"
TOO_LONG = "Hello there. " * 100


@pytest.fixture
async def guarded(tiny_folder: Path, tmp_path: Path) -> AsyncIterator[Servers]:
    """An orchestrator and a gateway for callers with tokens."""
    tokens = write_tokens(tmp_path / "tokens.toml", "ada speak")
    async with (
        running_chain(tiny_folder, auth_tokens=tokens) as chain,
        running_gateway(chain.address) as gateway,
    ):
        yield Servers(chain.address, gateway.url)


@pytest.fixture
async def without_orchestrator() -> AsyncIterator[Servers]:
    """A gateway without an orchestrator, and no orchestrator."""
    async with running_gateway(UNUSED) as gateway:
        yield Servers(UNUSED, gateway.url)


@pytest.mark.parametrize("way", WAYS)
async def test_errors_say_what_is_wrong(
    way: str,
    servers: Servers,
    guarded: Servers,
    without_orchestrator: Servers,
    tools: Tools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BARKCLIENT_TOKEN", raising=False)
    good = SpeechRequest(servers, tmp_path, tools)
    swapped = Servers(servers.http.removeprefix("http://"), f"http://{servers.grpc}")
    cases = {
        "v2/ghost": replace(good, voice="v2/ghost"),
        "1000": replace(good, text=TOO_LONG),
        "no token": replace(good, servers=guarded),
        f"nothing answers at {UNUSED}": replace(good, servers=without_orchestrator),
        "HTTP": replace(good, servers=swapped),
    }
    for index, (part, request) in enumerate(cases.items()):
        folder = tmp_path / str(index)
        folder.mkdir()
        outcome = await WAYS[way](replace(request, folder=folder))
        assert part in outcome.message, outcome
        assert outcome == Outcome(message=outcome.message)
        if way in GRPC_WAYS:
            assert len(outcome.message.splitlines()) == 1, outcome.message
