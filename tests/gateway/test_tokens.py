"""Tokens of HTTP callers reach the orchestrator, which decides."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from barkserve.constants import STAGES
from barkserve.gateway.bearer_token import token_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain, running
from tests.support.token_files import write_tokens

SPEECH = {"input": "Hello.", "voice": "none", "response_format": "pcm"}
TOKEN = "ada-token"


@pytest.fixture
async def guarded(chain: Chain, tiny_folder: Path, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway in front of an orchestrator that wants tokens."""
    tokens = write_tokens(tmp_path / "tokens.toml", "ada speak")
    stages = {stage: chain.services[stage].address for stage in STAGES}
    async with (
        running("orchestrator", tiny_folder, auth_tokens=tokens, **stages) as orchestrator,
        running_gateway(orchestrator.address) as gateway,
    ):
        yield gateway


@pytest.mark.parametrize("header", [("authorization", f"Bearer {TOKEN}"), ("xi-api-key", TOKEN)])
async def test_token_of_a_header_is_accepted(
    guarded: RunningGateway, header: tuple[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=guarded.url, timeout=60) as http:
        response = await http.post("/v1/audio/speech", json=SPEECH, headers=[header])
    assert response.status_code == 200
    assert response.content


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong-token"}])
async def test_missing_or_wrong_token_is_unauthorized(
    guarded: RunningGateway, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=guarded.url, timeout=60) as http:
        response = await http.post("/v1/audio/speech", json=SPEECH, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"
    assert response.headers["www-authenticate"] == "Bearer"
    assert "wrong-token" not in response.text


async def test_readiness_needs_no_token(guarded: RunningGateway) -> None:
    async with httpx.AsyncClient(base_url=guarded.url) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_browser_sends_its_token_as_a_subprotocol(guarded: RunningGateway) -> None:
    encoded = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    protocols = ["barkserve.v1", f"bearer.{encoded}"]
    async with connect(f"{guarded.websocket_url}/v1/stream", subprotocols=protocols) as socket:
        assert socket.subprotocol == "barkserve.v1"
        await socket.send(json.dumps({"config": {"options": {"voice": {"name": "none"}}}}))
        await socket.send(json.dumps({"text": "Hello.", "context_id": ""}))
        assert "started" in json.loads(await socket.recv())


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"authorization": "Bearer none"}, None),
        ({"authorization": "bearer abc"}, "abc"),
        ({"authorization": "Basic abc", "xi-api-key": "def"}, "def"),
        ({"sec-websocket-protocol": "barkserve.v1, bearer.YWJj"}, "abc"),
    ],
)
def test_token_is_found(headers: dict[str, str], token: str | None) -> None:
    assert token_of(headers) == token
