"""StreamingSynthesize over a WebSocket, with the websockets library."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from barkclient import AsyncClient
from tests.support.fakes import until
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain

TEXTS = ("Hello th", "ere. How are", " you today?")


@pytest.fixture
async def socket(gateway: RunningGateway) -> AsyncIterator[ClientConnection]:
    async with connect(f"{gateway.websocket_url}/v1/stream") as connection:
        yield connection


class Speech:
    """What a client receives for one context."""

    def __init__(self) -> None:
        self.audio = b""
        self.kinds: list[str] = []
        self.messages: dict[str, dict[str, Any]] = {}


async def receive(socket: ClientConnection, contexts: int = 1) -> dict[str, Speech]:
    """Receive until this many contexts have ended."""
    speeches: dict[str, Speech] = {}
    while contexts:
        message = json.loads(await socket.recv())
        speech = speeches.setdefault(message.pop("context_id"), Speech())
        (kind,) = message
        speech.kinds.append(kind)
        speech.messages[kind] = message[kind]
        if kind == "audio":
            binary = await socket.recv()
            assert isinstance(binary, bytes)
            assert message["audio"]["first_sample"] == len(speech.audio) // 2
            speech.audio += binary
        contexts -= kind in ("finished", "error")
    return speeches


async def send(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


def config(seed: int = 7, **options: Any) -> dict[str, Any]:
    return {"options": {"seed": seed, "voice": {"name": "none"}, **options}}


async def grpc_pcm(chain: Chain, seed: int = 7) -> bytes:
    async def texts() -> AsyncIterator[str]:
        for text in TEXTS:
            yield text

    async with AsyncClient(chain.address) as client:
        return (await client.synthesize_stream(texts(), seed=seed, voice="none").read()).audio


async def speak(socket: ClientConnection, context_id: str, seed: int) -> None:
    await send(socket, context_id=context_id, config=config(seed))
    for text in TEXTS:
        await send(socket, context_id=context_id, text=text)
    await send(socket, context_id=context_id, end={})


async def test_websocket_speech_equals_grpc(chain: Chain, socket: ClientConnection) -> None:
    await speak(socket, "a", seed=7)
    speech = (await receive(socket))["a"]
    assert speech.audio == await grpc_pcm(chain)
    assert speech.kinds[0] == "started"
    assert speech.messages["started"]["seed"] == 7
    assert speech.messages["finished"]["sample_count"] == len(speech.audio) // 2


async def test_contexts_speak_side_by_side(chain: Chain, socket: ClientConnection) -> None:
    await speak(socket, "a", seed=7)
    await speak(socket, "b", seed=8)
    speeches = await receive(socket, contexts=2)
    assert speeches["a"].audio == await grpc_pcm(chain, seed=7)
    assert speeches["b"].audio == await grpc_pcm(chain, seed=8)


async def test_flush_and_words_are_reported(socket: ClientConnection) -> None:
    await send(socket, context_id="a", config=config(word_times=True))
    await send(socket, context_id="a", text="Hello there")
    await send(socket, context_id="a", flush={"flush_id": "f"})
    await send(socket, context_id="a", end={})
    speech = (await receive(socket))["a"]
    assert speech.messages["flush_done"] == {"flush_id": "f"}
    words = speech.messages["words"]["words"]
    assert words[-1]["word"] == "there"
    assert isinstance(words[-1]["first_sample"], int)


async def test_cancel_ends_the_context(socket: ClientConnection) -> None:
    await send(socket, context_id="a", config=config())
    await send(socket, context_id="a", text="Hello there. " * 2000)
    await send(socket, context_id="a", cancel={})
    finished = (await receive(socket))["a"].messages["finished"]
    assert finished["finish_reason"] == "FINISH_REASON_CANCELLED"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"context_id": "a", "hue": 1}', "hue"),
        ('{"context_id": "a", "text": 5}', "text"),
        ('{"context_id": 5, "text": "x"}', "context_id"),
    ],
)
async def test_malformed_message_costs_only_itself(
    chain: Chain, socket: ClientConnection, message: str, expected: str
) -> None:
    await socket.send(message)
    error = json.loads(await socket.recv())["error"]
    assert error["code"] == 3
    assert expected in error["message"]
    await speak(socket, "b", seed=7)
    assert (await receive(socket))["b"].audio == await grpc_pcm(chain)


async def test_token_that_cannot_be_sent_is_refused() -> None:
    async with running_gateway("127.0.0.1:1") as gateway:
        for path in ("/v1/stream", "/v1/text-to-speech/none/stream-input"):
            url, headers = gateway.websocket_url + path, {"xi-api-key": "a b"}
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=headers)
            assert refused.value.response.status_code == 400
            assert b"the token must be printable" in refused.value.response.body


async def test_empty_message_ends_the_call(socket: ClientConnection) -> None:
    await send(socket, context_id="a", config=config())
    await send(socket, context_id="a", text="Hello.")
    await socket.send("")
    assert (await receive(socket))["a"].audio
    await socket.wait_closed()
    assert socket.close_code == 1000


async def test_closing_frees_the_slots(chain: Chain, gateway: RunningGateway) -> None:
    async with connect(f"{gateway.websocket_url}/v1/stream") as socket:
        await send(socket, context_id="a", config=config())
        await send(
            socket,
            context_id="a",
            text="Hello there. " * 2000,
        )
        await socket.recv()
        assert chain.services["orchestrator"].load().streams == 1
    await until(lambda: not any(service.load().streams for service in chain.services.values()))


async def test_unreachable_server_closes_with_try_again_later() -> None:
    async with (
        running_gateway("127.0.0.1:1") as gateway,
        connect(f"{gateway.websocket_url}/v1/stream") as socket,
    ):
        await send(socket, context_id="a", config=config())
        with pytest.raises(ConnectionClosedError) as closed:
            async with asyncio.timeout(60):
                await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert "127.0.0.1:1" in closed.value.rcvd.reason
