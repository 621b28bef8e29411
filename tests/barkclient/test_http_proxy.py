"""HTTP proxies between client and server: real ones, and the rules of gRPC's variables."""

import asyncio

import pytest

from barkclient import AsyncClient, Client, ServerUnavailable
from barkclient.http_proxy import via_proxy
from tests.barkclient.command_line import Command
from tests.barkclient.scripted_server import SAMPLE_COUNT, TEXT, ScriptedSpeech
from tests.support.connect_proxy import running_connect_proxy

SERVER = "bark.example:443"
DEAD = "http://me:secret@127.0.0.1:1"
VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


async def test_clients_speak_through_the_proxy(
    speech: ScriptedSpeech, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocking() -> int:
        with Client(SERVER) as client:
            return client.synthesize(TEXT).read().sample_count

    async with running_connect_proxy(bark=speech.target) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with AsyncClient(SERVER) as client:
            assert (await client.synthesize(TEXT).read()).sample_count == SAMPLE_COUNT
        assert await asyncio.to_thread(blocking) == SAMPLE_COUNT
        assert proxy.asked == [SERVER, SERVER]
        async with AsyncClient(speech.target) as client:  # on this machine
            assert (await client.synthesize(TEXT).read()).sample_count == SAMPLE_COUNT
        assert len(proxy.asked) == 2


async def test_error_names_a_dead_proxy(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", DEAD)
    async with AsyncClient(SERVER) as client:
        with pytest.raises(ServerUnavailable) as caught:
            await client.voices()
    named = f"{SERVER} through the proxy http://127.0.0.1:1 of http_proxy"
    assert named in str(caught.value)
    assert "--grpc-proxy off" in str(caught.value)
    assert "secret" not in str(caught.value)
    for words in (("voices",), ("status",)):
        result = await command(*words, "--server", SERVER)
        assert (result.code, named in result.stderr) == (3, True)


async def test_proxy_can_be_turned_off(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_connect_proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        async with AsyncClient(SERVER, grpc_proxy="off", timeout=10) as client:
            with pytest.raises(ServerUnavailable) as caught:
                await client.voices()
        assert "proxy" not in str(caught.value)
        result = await command("voices", "--server", SERVER, "--grpc-proxy", "off")
        assert result.code == 3
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("target", "environment", "expected"),
    [
        (SERVER, {}, ""),
        (SERVER, {"http_proxy": DEAD}, "http_proxy"),
        (SERVER, {"http_proxy": DEAD, "https_proxy": DEAD}, "https_proxy"),
        (SERVER, {"https_proxy": DEAD, "grpc_proxy": DEAD}, "grpc_proxy"),
        (SERVER, {"http_proxy": DEAD, "grpc_proxy": ""}, ""),
        (SERVER, {"http_proxy": "socks5://127.0.0.1:1"}, ""),
        (SERVER, {"http_proxy": "http://[bad"}, ""),
        (SERVER, {"http_proxy": DEAD, "no_proxy": "other, .EXAMPLE"}, ""),
        (SERVER, {"http_proxy": DEAD, "no_proxy": "*"}, "http_proxy"),
        (SERVER, {"http_proxy": DEAD, "no_proxy": "example", "no_grpc_proxy": ""}, "http_proxy"),
        ("10.1.2.3:443", {"http_proxy": DEAD, "no_proxy": "10.0.0.0/8"}, ""),
        ("11.1.2.3:443", {"http_proxy": DEAD, "no_proxy": "10.0.0.0/8"}, "http_proxy"),
        ("dns:///bark.example:443", {"http_proxy": DEAD, "no_proxy": "bark.example"}, ""),
        ("[2001:db8::1]:443", {"http_proxy": DEAD, "no_proxy": "2001:db8::/32"}, ""),
        ("localhost:443", {"http_proxy": DEAD}, ""),
        ("unix:/run/bark.sock", {"http_proxy": DEAD}, ""),
        ("vsock:2:443", {"http_proxy": DEAD}, ""),
    ],
)
def test_proxy_is_found_by_the_rules_of_grpc(
    target: str, environment: dict[str, str], expected: str
) -> None:
    found = via_proxy(target, "environment", environment)
    assert found == (f" through the proxy http://127.0.0.1:1 of {expected}" if expected else "")
    assert via_proxy(target, "off", environment) == ""
