"""deploy/Caddyfile with a real Caddy: HTTP, WebSocket and gRPC under one name with TLS."""

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

import barkclient
from fixtures.processes import free_port
from tests.support.gateway import running_gateway
from tests.support.services import running_chain

CADDYFILE = Path(__file__).parents[2] / "deploy/Caddyfile"
# No port for its administration, and no authority in this machine's trust store.
TEST_OPTIONS = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
SEED = 7

pytestmark = pytest.mark.skipif(shutil.which("caddy") is None, reason="needs Caddy")


@dataclass(frozen=True)
class Site:
    """The name and port of Caddy, and the authority of its certificate."""

    address: str
    ca: Path


@pytest.fixture
async def site(tiny_folder: Path, tmp_path: Path) -> AsyncIterator[Site]:
    """A chain and a gateway behind Caddy."""
    config = tmp_path / "Caddyfile"
    config.write_text(TEST_OPTIONS + CADDYFILE.read_text())
    address = f"localhost:{free_port()}"
    async with running_chain(tiny_folder) as chain, running_gateway(chain.address) as gateway:
        environment = os.environ | {
            "SITE": address,
            "HTTP_UPSTREAM": gateway.url.removeprefix("http://"),
            "GRPC_UPSTREAM": f"h2c://{chain.address}",
            "XDG_DATA_HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
        }
        words = ("run", "--config", str(config), "--adapter", "caddyfile")
        log = (tmp_path / "caddy.log").open("wb")
        caddy = await asyncio.create_subprocess_exec(
            "caddy", *words, env=environment, stdout=log, stderr=log
        )
        found = Site(address, tmp_path / "caddy/pki/authorities/local/root.crt")
        try:
            await _ready(found)
            yield found
        finally:
            caddy.terminate()
            await caddy.wait()
            log.close()


async def _ready(site: Site) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with httpx.AsyncClient(verify=_trust(site)) as http:
                    await http.get(f"https://{site.address}/healthz")
                return
            except (httpx.TransportError, OSError):
                await asyncio.sleep(0.1)


def _trust(site: Site) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=site.ca)


async def test_caddy_passes_http_websocket_and_grpc_on(site: Site) -> None:
    speech = {"input": "Hello.", "voice": "none", "response_format": "pcm", "seed": SEED}
    async with httpx.AsyncClient(verify=_trust(site), timeout=60) as http:
        answer = await http.post(f"https://{site.address}/v1/audio/speech", json=speech)
    assert answer.status_code == 200, answer.text
    tls = barkclient.Tls(ca=str(site.ca))
    async with barkclient.AsyncClient(site.address, tls=tls) as client:
        spoken = await client.synthesize("Hello.", voice="none", seed=SEED).read()
    assert answer.content == spoken.audio
    async with connect(f"wss://{site.address}/v1/stream", ssl=_trust(site)) as socket:
        await socket.send(json.dumps({"config": {"options": {"voice": {"name": "none"}}}}))
        await socket.send(json.dumps({"text": "Hello.", "context_id": ""}))
        assert "started" in json.loads(await socket.recv())
