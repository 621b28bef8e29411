"""Who the callers behind a gateway are, and whether the gateway lets them in."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.info import Describe

from barkserve.config.gateway import GatewayOptions
from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.gateway.certificate import following_certificate
from barkserve.serving.exposure import check_exposure
from barkserve.serving.tls import TlsFiles
from tests.support.certificates import Authority
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain, running
from tests.support.token_files import write_tokens

LIMITED = {"caller_requests_per_second": 0.001}
FOR_ADA = {"x-forwarded-for": "203.0.113.7"}
TOKEN = {"authorization": "Bearer ada-token"}


async def statuses(gateway: RunningGateway, *headers: dict[str, str]) -> list[int]:
    """Ask for the voices with these headers; returns the statuses."""
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        answers = [await http.get("/v1/audio/voices", headers=each) for each in headers]
    return [answer.status_code for answer in answers]


async def test_gateway_spreads_its_requests_over_orchestrators(
    chain: Chain, tiny_folder: Path
) -> None:
    stages = {stage: chain.services[stage].address for stage in STAGES}
    long = {"input": "One two three four five. " * 1000, "voice": "none", "response_format": "pcm"}
    first = chain.services["orchestrator"]
    async with (
        running("orchestrator", tiny_folder, **stages) as second,
        running_gateway(f"ipv4:{first.address},{second.address}") as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
        AsyncExitStack() as speaking,
    ):
        for _ in range(8):  # the first ones may come before both connections are open
            stream = http.stream("POST", "/v1/audio/speech", json=long)
            await speaking.enter_async_context(stream)
            if first.load().streams and second.load().streams:
                break
        assert (first.load().streams > 0, second.load().streams > 0) == (True, True)


async def test_callers_behind_a_gateway_have_limits_of_their_own(tiny_folder: Path) -> None:
    grace = {"x-forwarded-for": "203.0.113.8"}
    async with (
        running("orchestrator", tiny_folder, **LIMITED) as orchestrator,
        running_gateway(orchestrator.address) as gateway,
    ):
        assert await statuses(gateway, FOR_ADA, FOR_ADA, grace, {}) == [200, 429, 200, 200]


async def test_unknown_proxy_cannot_name_its_callers(tiny_folder: Path) -> None:
    async with (
        running("orchestrator", tiny_folder, **LIMITED) as orchestrator,
        running_gateway(orchestrator.address, trusted_proxies="10.0.0.0/8") as gateway,
    ):
        assert await statuses(gateway, FOR_ADA, {"x-forwarded-for": "203.0.113.8"}) == [200, 429]


@pytest.fixture
async def guarded(tiny_folder: Path, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway that needs tokens, in front of an orchestrator that checks them."""
    tokens = write_tokens(tmp_path / "tokens.toml", "ada speak")
    async with (
        running("orchestrator", tiny_folder, auth_tokens=tokens) as orchestrator,
        running_gateway(orchestrator.address, require_tokens=True) as gateway,
    ):
        yield gateway


async def test_required_token_is_checked_by_the_orchestrator(guarded: RunningGateway) -> None:
    wrong = {"authorization": "Bearer wrong"}
    assert await statuses(guarded, TOKEN, {}, wrong) == [200, 401, 401]
    async with httpx.AsyncClient(base_url=guarded.url) as http:
        assert (await http.get("/")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/text-to-speech/none/stream-input"])
async def test_websocket_without_the_required_token_is_refused(
    guarded: RunningGateway, path: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(guarded.websocket_url + path):
            pass
    assert caught.value.response.status_code == 401


async def test_wyoming_has_no_token_and_is_refused(guarded: RunningGateway) -> None:
    client = AsyncClient.from_uri(guarded.wyoming_url)
    await client.connect()
    await client.write_event(Describe().event())
    answer = await client.read_event()
    assert answer is not None
    assert Error.from_event(answer).code == "unauthenticated"
    await client.disconnect()


async def test_token_that_nothing_checks_opens_nothing(tiny_folder: Path) -> None:
    async with (
        running("orchestrator", tiny_folder) as orchestrator,
        running_gateway(orchestrator.address, require_tokens=True) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as http,
    ):
        answer = await http.get("/v1/audio/voices", headers=TOKEN)
        assert answer.status_code == 503
        assert "--auth-tokens or --auth-jwks" in answer.json()["error"]["message"]
        assert (await http.get("/readyz")).status_code == 503


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, "no TLS: give --tls-cert and --tls-key"),
        ({"tls_cert": "a", "tls_key": "b"}, "no authentication: give --require-tokens"),
        ({"tls_cert": "a", "tls_key": "b", "tls_ca": "c"}, "no authentication"),
    ],
)
def test_exposed_gateway_is_refused(options: dict[str, str], missing: str) -> None:
    with pytest.raises(StartupError, match=missing):
        check_exposure(GatewayOptions(host="0.0.0.0", **options))
    check_exposure(GatewayOptions(host="0.0.0.0", insecure=True, **options))


def test_gateway_with_tls_and_tokens_may_listen() -> None:
    options = GatewayOptions(host="0.0.0.0", tls_cert="a", tls_key="b", require_tokens=True)
    check_exposure(options)


async def test_gateway_shows_its_certificate_to_the_orchestrator(
    tiny_folder: Path, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, own = authority.issue("server"), authority.issue("gateway", "bark-gateway")
    roles = {"certificate_roles": "speak=bark-gateway,forward=bark-gateway", "trusted_proxies": ""}
    options = {"tls_cert": server.certificate, "tls_key": server.key, "tls_ca": server.ca}
    given = {"tls_cert": own.certificate, "tls_key": own.key, "tls_ca": own.ca}
    trust = ssl.create_default_context(cafile=own.ca)
    async with (
        running("orchestrator", tiny_folder, **options, **roles, **LIMITED) as orchestrator,
        running_gateway(orchestrator.address, **given) as gateway,
        httpx.AsyncClient(base_url=gateway.url, verify=trust) as http,
    ):
        answers = [await http.get("/v1/audio/voices", headers=FOR_ADA) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert "203.0.113.7 may make" in answers[1].text
        assert (await http.get("/v1/audio/voices")).status_code == 200


async def test_renewed_certificate_is_used(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("gateway")
    options = GatewayOptions(tls_cert=files.certificate, tls_key=files.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    trust = ssl.create_default_context(cafile=files.ca)

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def shown() -> bytes:
        """The certificate of a new connection."""
        _, writer = await asyncio.open_connection("localhost", port, ssl=trust)
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return bytes(found)

    tls = TlsFiles(files.certificate, files.key, reload_s=0)
    server = await asyncio.start_server(answer, "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, following_certificate(options, tls, context, reload_s=0.01):
        first = await shown()
        authority.issue("gateway")
        async with asyncio.timeout(20):
            latest = first
            while latest == first:
                latest = await shown()
