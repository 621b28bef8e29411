"""The Wyoming protocol, with the wyoming package's own client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient as WyomingClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from barkclient import AsyncClient
from tests.support.fakes import until
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain

TEXTS = ("Hello th", "ere.", " Yes.")
TEXT = "".join(TEXTS)
LONG = "One two three four five. " * 1000
NONE = SynthesizeVoice(name="none")
NO_ORCHESTRATOR = "127.0.0.1:1"


@pytest.fixture
async def wyoming(gateway: RunningGateway) -> AsyncIterator[WyomingClient]:
    async with WyomingClient.from_uri(gateway.wyoming_url, read_timeout=60) as client:
        yield client


async def read_all(client: WyomingClient, last: Any = AudioStop) -> list[Event]:
    """Read until an event of the type `last`, or until the server closes the connection."""
    found = []
    while event := await client.read_event():
        found.append(event)
        if last.is_type(event.type):
            break
    return found


def audio_of(events: list[Event]) -> bytes:
    return b"".join(each.payload or b"" for each in events if AudioChunk.is_type(each.type))


def with_seed(event: Event, seed: int = 7) -> Event:
    return Event(event.type, {**event.data, "seed": seed})


async def expected_pcm(chain: Chain, **options: Any) -> bytes:
    async with AsyncClient(chain.address) as client:
        return (await client.synthesize(TEXT, **options).read()).audio


def streamed(voice: SynthesizeVoice | None = NONE) -> list[Event]:
    """What Home Assistant sends: the whole text once more, for servers that do not stream."""
    return [
        with_seed(SynthesizeStart(voice=voice).event()),
        *(SynthesizeChunk(text).event() for text in TEXTS),
        Synthesize(TEXT, voice=voice).event(),
        SynthesizeStop().event(),
    ]


async def test_describe_lists_the_voices(chain: Chain, wyoming: WyomingClient) -> None:
    await wyoming.write_event(Describe().event())
    (event,) = await read_all(wyoming, Info)
    (program,) = Info.from_event(event).tts
    async with AsyncClient(chain.address) as client:
        server, voices = await client.server_info(), await client.voices()
    assert program.installed
    assert program.supports_synthesize_streaming
    assert program.version == server.version
    assert {each.name for each in program.voices} == ({each.name for each in voices} or {"none"})
    for voice in program.voices:
        assert voice.installed
        assert voice.languages
        assert voice.description
        assert voice.attribution.name


async def test_speech_equals_grpc_for_one_seed(chain: Chain, wyoming: WyomingClient) -> None:
    """The requests of one connection are spoken in turn, whether the text is streamed or not."""
    for event in (*streamed(), with_seed(Synthesize(TEXT, voice=NONE).event())):
        await wyoming.write_event(event)
    *spoken, stopped = await read_all(wyoming, SynthesizeStopped)
    assert SynthesizeStopped.is_type(stopped.type)
    expected = await expected_pcm(chain, seed=7, voice="none")
    for events in (spoken, await read_all(wyoming)):
        start, *chunks, stop = events
        assert AudioStart.from_event(start) == AudioStart(24000, 2, 1, timestamp=0)
        assert len(chunks) > 1
        assert audio_of(chunks) == expected
        assert AudioStop.from_event(stop).timestamp == len(expected) // 2 * 1000 // 24000


async def test_other_events_are_answered(wyoming: WyomingClient) -> None:
    """Spaces have no audio, a language chooses a voice, and unknown events are ignored."""
    sent = (
        Event("select-program", {"name": "barkserve"}),
        *(each.event() for each in (SynthesizeStart(), SynthesizeChunk(" \n"), SynthesizeStop())),
        Ping("a").event(),
        Synthesize("Hello.", SynthesizeVoice(language="de")).event(),
    )
    for event in sent:
        await wyoming.write_event(event)
    events = await read_all(wyoming)
    assert sorted(each.type for each in events[:2]) == ["pong", "synthesize-stopped"]
    assert audio_of(events)


WRONG_REQUESTS = (
    (Synthesize(TEXT, SynthesizeVoice(name="missing")).event(), "voice_not_found", "missing"),
    (SynthesizeStart(SynthesizeVoice(name="missing")).event(), "voice_not_found", "missing"),
    (Synthesize(" ").event(), "invalid_request", "nothing to speak"),
    (Event("synthesize"), "invalid_request", "text of 'synthesize' must be a string"),
    (Event("synthesize", {"text": TEXT, "voice": 5}), "invalid_request", "voice of"),
    (Event("synthesize", {"text": TEXT, "voice": {"name": 5}}), "invalid_request", "name"),
    (Event("synthesize", {"text": TEXT, "seed": "x"}), "invalid_request", "seed"),
    (Synthesize(TEXT, text_format="ssml").event(), "invalid_request", "text_format"),
    (Synthesize("x" * 2**20).event(), "request_too_large", "the limit is 1048576"),
    (Event("describe", payload=b"x" * 2**20), "request_too_large", "payload_length"),
)
WRONG_BYTES = (
    b"GET / HTTP/1.1\r\n",
    b"[]\n",
    b"[" * 10_000 + b"\n",
    b'{"type": 5}\n',
    b'{"type": "synthesize", "data": [1]}\n',
    b'{"type": "synthesize", "data_length": -1}\n',
    b'{"type": "synthesize", "data_length": "9"}\n',
    b'{"type": "synthesize", "data_length": 4}\nnull',
    b"x" * 200_000,
)


async def test_wrong_request_ends_with_an_error_event(gateway: RunningGateway) -> None:
    for event, code, message in WRONG_REQUESTS:
        async with WyomingClient.from_uri(gateway.wyoming_url, read_timeout=60) as client:
            await client.write_event(event)
            if SynthesizeStart.is_type(event.type):
                await client.write_event(SynthesizeChunk(TEXT).event())
            (answer,) = await read_all(client)
            error = Error.from_event(answer)
            assert error.code == code
            assert message in error.text
            assert await client.read_event() is None


async def test_bytes_of_another_protocol_get_an_error() -> None:
    async with running_gateway(NO_ORCHESTRATOR) as gateway:
        host, port = gateway.wyoming_url.removeprefix("tcp://").split(":")
        for line in WRONG_BYTES:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(line)
            assert json.loads(await reader.readline())["type"] == "error"
            error = json.loads(await reader.read())
            assert error["code"] in ("invalid_event", "request_too_large")
            writer.close()
            await writer.wait_closed()


async def test_client_that_leaves_frees_its_slots(chain: Chain, gateway: RunningGateway) -> None:
    for opening in (
        [Synthesize(LONG, voice=NONE)],
        [SynthesizeStart(voice=NONE), SynthesizeChunk(LONG)],
    ):
        async with WyomingClient.from_uri(gateway.wyoming_url) as client:
            for event in opening:
                await client.write_event(event.event())
            await read_all(client, AudioChunk)
            assert chain.services["orchestrator"].load().streams == 1
        await until(lambda: not any(each.load().streams for each in chain.services.values()))


async def test_unreachable_orchestrator_is_an_error_event() -> None:
    async with (
        running_gateway(NO_ORCHESTRATOR) as gateway,
        WyomingClient.from_uri(gateway.wyoming_url) as client,
    ):
        await client.write_event(Describe().event())
        (answer,) = await read_all(client)
    assert Error.from_event(answer).code == "unavailable"


async def test_drain_finishes_speech_and_refuses_more(
    chain: Chain, gateway: RunningGateway, wyoming: WyomingClient
) -> None:
    await wyoming.write_event(with_seed(Synthesize(TEXT, voice=NONE).event()))
    begun = await read_all(wyoming, AudioChunk)
    draining = asyncio.create_task(gateway.gateway.drain.drain(timeout_s=60))
    audio = audio_of(begun + await read_all(wyoming))
    await draining
    assert audio == await expected_pcm(chain, seed=7, voice="none")
    await wyoming.write_event(Synthesize(TEXT).event())
    (running_one,) = await read_all(wyoming)
    async with WyomingClient.from_uri(gateway.wyoming_url) as client:
        (new_one,) = await read_all(client)
    for answer in (running_one, new_one):
        assert Error.from_event(answer).code == "shutting_down"


async def test_too_many_connections_are_refused() -> None:
    async with running_gateway(NO_ORCHESTRATOR) as gateway, AsyncExitStack() as stack:
        for _ in range(64):
            await stack.enter_async_context(WyomingClient.from_uri(gateway.wyoming_url))
        last = await stack.enter_async_context(WyomingClient.from_uri(gateway.wyoming_url))
        (answer,) = await read_all(last)
    assert Error.from_event(answer).code == "overloaded"


async def test_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barkserve.gateway.wyoming.connection._FIRST_EVENT_S", 0.1)
    async with (
        running_gateway(NO_ORCHESTRATOR) as gateway,
        WyomingClient.from_uri(gateway.wyoming_url) as client,
    ):
        assert await client.read_event() is None
