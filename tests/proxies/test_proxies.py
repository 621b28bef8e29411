"""Proxies in front of the orchestrator and the gateway, configured as docs/operations.md says.

`make test-clients` fetches the proxies and runs these tests.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from barkclient import AsyncClient, Tls
from tests.proxies.documented import RunningProxy, running_proxy
from tests.support.certificates import Authority
from tests.support.fakes import until
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain, running_chain

pytestmark = pytest.mark.skipif(
    "PROXIES" not in os.environ, reason="make test-clients fetches proxies and sets PROXIES"
)

FIRST, SECOND = "Hello there. ", "How are you today?"
VERY_LONG = FIRST * 2000
TIMEOUT_S, QUIET_S = 2, 5
SHORT_TIMEOUT = {
    "nginx": {"grpc_read_timeout 1h": f"grpc_read_timeout {TIMEOUT_S}s"},
    "haproxy": {"timeout server 1h": f"timeout server {TIMEOUT_S}s"},
}


@dataclass(frozen=True)
class Setup:
    """A chain with a gateway, and a proxy in front of both."""

    chain: Chain
    gateway: RunningGateway
    proxy: RunningProxy
    ca: str

    def client(self) -> AsyncClient:
        return AsyncClient(self.proxy.grpc, tls=Tls(ca=self.ca))

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    @property
    def streams(self) -> float:
        return self.chain.services["orchestrator"].load().streams

    async def call_count(self) -> int:
        """How many RPCs the orchestrator has served. Waits for the running ones."""
        orchestrator = self.chain.services["orchestrator"]
        await until(lambda: not orchestrator.metric("barkserve_streams", stage="orchestrator"))
        return round(
            sum(
                sample.value
                for metric in orchestrator.metrics.registry.collect()
                for sample in metric.samples
                if sample.name == "barkserve_requests_total"
            )
        )


@pytest.fixture
def start(tiny_folder: Path, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def starting(
        name: str, changes: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Setup]:
        authority = Authority(tmp_path)
        async with (
            running_chain(tiny_folder, **options) as chain,
            running_gateway(chain.address) as gateway,
            running_proxy(
                name,
                chain.address,
                gateway.url.removeprefix("http://"),
                authority.issue("proxy"),
                tmp_path,
                changes or {},
            ) as proxy,
        ):
            yield Setup(chain, gateway, proxy, str(authority.path))

    return starting


async def conversation(client: AsyncClient) -> bytes:
    """Speak two sentences in one context, with a pause in between."""
    async with (
        client,
        client.stream() as call,
        call.speak(seed=7, voice="none", max_delay_ms=60_000) as answer,
    ):
        answer.send(FIRST)
        await answer.wait_flushed(answer.flush())
        await asyncio.sleep(QUIET_S)
        answer.send(SECOND)
        answer.end()
        return (await answer.read()).audio


async def whole(setup: Setup) -> bytes:
    """The same text, without a proxy and a pause."""
    async with AsyncClient(setup.chain.address) as client:
        speech = await client.synthesize(FIRST + SECOND, seed=7, voice="none").read()
        return speech.audio


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_heartbeats_keep_a_quiet_call_alive(start: Any, name: str) -> None:
    async with start(name, SHORT_TIMEOUT[name], heartbeat_seconds=TIMEOUT_S / 4) as setup:
        expected, before = await whole(setup), await setup.call_count()
        assert await conversation(setup.client()) == expected
        assert await setup.call_count() == before + 1


@pytest.mark.parametrize("heartbeat_s", [0, 60])
@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_client_resumes_a_call_that_is_cut(start: Any, name: str, heartbeat_s: float) -> None:
    async with start(name, SHORT_TIMEOUT[name], heartbeat_seconds=heartbeat_s) as setup:
        expected, before = await whole(setup), await setup.call_count()
        assert await conversation(setup.client()) == expected
        assert await setup.call_count() > before + 1


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_grpc_speech_is_not_buffered(start: Any, name: str) -> None:
    async with start(name) as setup:
        async with setup.client() as client:
            speech = await client.synthesize(FIRST + SECOND, seed=7, voice="none").read()
            assert speech.audio == await whole(setup)
            synthesis = client.synthesize(VERY_LONG, voice="none")
            await anext(synthesis)
            assert setup.streams == 1  # the rest is still being spoken
            await synthesis.aclose()
        await until(lambda: not setup.streams)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_http_speech_is_not_buffered(start: Any, name: str) -> None:
    body = {"model": "tts-1", "voice": "none", "response_format": "pcm", "seed": 7}
    async with (
        start(name) as setup,
        httpx.AsyncClient(base_url=f"https://{setup.proxy.http}", verify=setup.trusted) as http,
    ):
        answer = await http.post("/v1/audio/speech", json={**body, "input": FIRST + SECOND})
        assert answer.content == await whole(setup)
        request = http.stream("POST", "/v1/audio/speech", json={**body, "input": VERY_LONG})
        async with request as answer:
            await anext(answer.aiter_raw())
            assert setup.streams == 1
        await until(lambda: not setup.streams)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_websocket_passes_the_proxy(start: Any, name: str) -> None:
    config = {"options": {"seed": 7, "voice": {"name": "none"}}}
    async with (
        start(name) as setup,
        connect(f"wss://{setup.proxy.http}/v1/stream", ssl=setup.trusted) as socket,
    ):
        for message in ({"config": config}, {"text": FIRST}, {"text": SECOND}, {"end": {}}):
            await socket.send(json.dumps({"context_id": "a", **message}))
        audio = b""
        while "finished" not in (message := json.loads(await socket.recv())):
            assert "error" not in message
            if "audio" in message:
                audio += await socket.recv()  # type: ignore[operator]
        assert audio == await whole(setup)
