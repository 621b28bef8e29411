"""The ElevenLabs API, with the official client."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from elevenlabs import AsyncElevenLabs, ElevenLabs, PronunciationDictionaryVersionLocator
from elevenlabs.core import ApiError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from barkclient import AsyncClient, WordTime
from barkserve.gateway.elevenlabs.alignment import Aligner
from tests.support.certificates import Authority
from tests.support.fakes import until
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain

TEXT = "Hello there. How are you?"
FORMAT = "pcm_24000"


async def expected_pcm(chain: Chain, text: str = TEXT) -> bytes:
    async with AsyncClient(chain.address) as client:
        return (await client.synthesize(text, seed=7, voice="none").read()).audio


@pytest.fixture
async def client(gateway: RunningGateway) -> Any:
    async with httpx.AsyncClient(timeout=60) as http:
        yield AsyncElevenLabs(base_url=gateway.url, api_key="none", httpx_client=http)


async def test_convert_equals_grpc(client: AsyncElevenLabs, chain: Chain) -> None:
    parts = client.text_to_speech.convert("none", text=TEXT, seed=7, output_format=FORMAT)
    assert b"".join([part async for part in parts]) == await expected_pcm(chain)


async def test_stream_equals_grpc(client: AsyncElevenLabs, chain: Chain) -> None:
    parts = client.text_to_speech.stream("none", text=TEXT, seed=7, output_format=FORMAT)
    assert b"".join([part async for part in parts]) == await expected_pcm(chain)


async def test_timestamps_cover_the_text(client: AsyncElevenLabs, chain: Chain) -> None:
    speech = await client.text_to_speech.convert_with_timestamps(
        "none", text=TEXT, seed=7, output_format=FORMAT
    )
    pcm = await expected_pcm(chain)
    assert base64.b64decode(speech.audio_base_64) == pcm
    check_alignment(speech.alignment, len(pcm) / 48000)


async def test_streamed_timestamps_cover_the_text(client: AsyncElevenLabs, chain: Chain) -> None:
    parts = [
        part
        async for part in client.text_to_speech.stream_with_timestamps(
            "none", text=TEXT, seed=7, output_format=FORMAT
        )
    ]
    pcm = await expected_pcm(chain)
    assert b"".join(base64.b64decode(part.audio_base_64) for part in parts) == pcm
    found = [part.alignment for part in parts if part.alignment is not None]
    characters = [each for alignment in found for each in alignment.characters]
    assert "".join(characters) == TEXT
    starts = [each for alignment in found for each in alignment.character_start_times_seconds]
    assert starts == sorted(starts)


def check_alignment(alignment: Any, duration_s: float) -> None:
    starts, ends = (
        alignment.character_start_times_seconds,
        alignment.character_end_times_seconds,
    )
    assert "".join(alignment.characters) == TEXT
    assert starts == sorted(starts)
    assert all(start <= end <= duration_s for start, end in zip(starts, ends, strict=True))
    assert ends[-1] > 0


async def test_voices_are_listed_and_described(client: AsyncElevenLabs, chain: Chain) -> None:
    async with AsyncClient(chain.address) as own:
        names = [voice.name for voice in await own.voices()]
    listed = (await client.voices.get_all()).voices
    assert [voice.voice_id for voice in listed] == names
    assert (await client.voices.get(names[0])).name == names[0]


@pytest.mark.parametrize(
    ("voice", "text", "output_format", "status", "kind"),
    [
        ("missing", TEXT, FORMAT, 404, "voice_not_found"),
        ("none", "...", FORMAT, 400, "invalid_request"),
        ("none", TEXT, "pcm_0", 400, "invalid_output_format"),
        ("none", TEXT, "pcm_99999", 400, "invalid_request"),
    ],
)
async def test_wrong_request_is_a_typed_error(
    client: AsyncElevenLabs, voice: str, text: str, output_format: Any, status: int, kind: str
) -> None:
    with pytest.raises(ApiError) as failure:
        async for _ in client.text_to_speech.convert(voice, text=text, output_format=output_format):
            pass
    assert failure.value.status_code == status
    assert failure.value.body["detail"]["status"] == kind


async def test_dictionary_of_elevenlabs_is_refused(client: AsyncElevenLabs) -> None:
    locator = PronunciationDictionaryVersionLocator(pronunciation_dictionary_id="d1")
    with pytest.raises(ApiError) as failure:
        async for _ in client.text_to_speech.convert(
            "none", text=TEXT, pronunciation_dictionary_locators=[locator]
        ):
            pass
    assert failure.value.status_code == 400
    detail = failure.value.body["detail"]
    assert detail["status"] == "pronunciation_dictionary_not_supported"
    assert '"lexicon": {"SQL": "sequel"}' in detail["message"]


async def test_lexicon_is_accepted_in_place_of_a_dictionary(
    client: AsyncElevenLabs, chain: Chain
) -> None:
    async def samples(text: str, lexicon: dict[str, str]) -> bytes:
        options: Any = {"additional_body_parameters": {"lexicon": lexicon}}
        parts = client.text_to_speech.convert(
            "none", text=text, seed=7, output_format=FORMAT, request_options=options
        )
        return b"".join([part async for part in parts])

    read = await samples("sequel", {})
    assert await samples("SQL", {"SQL": "sequel"}) == read != await samples("SQL", {})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"pronunciation_dictionary_locators": [{"pronunciation_dictionary_id": "d1"}]},
            "pronunciation_dictionary_not_supported",
        ),
        ({"lexicon": ["SQL"]}, "invalid_message"),
    ],
)
async def test_websocket_refuses_readings_that_it_cannot_use(
    gateway: RunningGateway, fields: dict[str, Any], error: str
) -> None:
    async with connect(f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input") as socket:
        await socket.send(json.dumps({"text": "Hi. ", **fields}))
        assert (await receive(socket))[-1]["error"] == error


@pytest.mark.filterwarnings("ignore:ConnectionClosed.code:DeprecationWarning")  # the client's own
async def test_official_client_speaks_in_realtime(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official client connects to wss:// only."""
    authority = Authority(tmp_path)
    files = authority.issue("gateway")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))

    def texts() -> Iterator[str]:
        yield from ("Hello there. ", "How are ", "you? ")

    def speak(url: str) -> bytes:
        client = ElevenLabs(base_url=url, api_key="none")
        return b"".join(
            client.text_to_speech.convert_realtime(
                "none", text=texts(), model_id="any", output_format=FORMAT
            )
        )

    async with running_gateway(
        chain.address, tls_cert=str(files.certificate), tls_key=str(files.key)
    ) as gateway:
        audio = await asyncio.to_thread(speak, gateway.url.replace("http://", "https://"))
    assert len(audio) > 1000


async def receive(socket: Any) -> list[dict[str, Any]]:
    messages = []
    with suppress(ConnectionClosedError):
        async for message in socket:
            messages.append(json.loads(message))
    return messages


async def test_stream_input_reports_alignment(chain: Chain, gateway: RunningGateway) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input"
    async with connect(f"{url}?output_format={FORMAT}&seed=7") as socket:
        for text in (" ", "Hello there. ", "How are you?", ""):
            await socket.send(json.dumps({"text": text}))
        messages = await receive(socket)
    assert socket.close_code == 1000
    assert messages[-1]["isFinal"] is True
    audio = b"".join(base64.b64decode(each["audio"] or b"") for each in messages)
    assert audio == await expected_pcm(chain)
    found = [each["alignment"] for each in messages if each.get("alignment")]
    assert "".join("".join(each["chars"]) for each in found) == TEXT
    assert all(each["charStartTimesMs"][0] >= 0 for each in found)


async def test_contexts_end_one_by_one(gateway: RunningGateway) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/multi-stream-input"
    async with connect(f"{url}?output_format={FORMAT}") as socket:
        for context in ("a", "b"):
            await socket.send(json.dumps({"text": " ", "context_id": context}))
            await socket.send(json.dumps({"text": "Hello there. ", "context_id": context}))
            await socket.send(json.dumps({"context_id": context, "close_context": True}))
        ended = set()
        while len(ended) < 2:
            message = json.loads(await socket.recv())
            if message["isFinal"]:
                ended.add(message["contextId"])
        await socket.send(json.dumps({"close_socket": True}))
        await socket.wait_closed()
    assert ended == {"a", "b"}
    assert socket.close_code == 1000


async def test_flushed_text_is_spoken_after_its_context_closes(
    chain: Chain, gateway: RunningGateway
) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/multi-stream-input"
    async with connect(f"{url}?output_format={FORMAT}&seed=7") as socket:
        await socket.send(json.dumps({"text": TEXT, "context_id": "a", "flush": True}))
        await socket.send(json.dumps({"context_id": "a", "close_context": True}))
        messages = [json.loads(await socket.recv())]
        while not messages[-1]["isFinal"]:
            messages.append(json.loads(await socket.recv()))
    audio = b"".join(base64.b64decode(each["audio"] or b"") for each in messages)
    assert audio == await expected_pcm(chain)


@pytest.mark.parametrize("closes", [1, 2], ids=["unflushed", "closed-twice"])
async def test_interrupted_context_frees_the_slots(
    chain: Chain, gateway: RunningGateway, closes: int
) -> None:
    """Frameworks close a context when the user interrupts, also after its end."""
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/multi-stream-input"
    long = {"text": "Hello there. How are you? " * 500, "context_id": "a", "flush": closes == 2}
    async with connect(f"{url}?output_format={FORMAT}") as socket:
        await socket.send(json.dumps(long))
        await socket.recv()
        assert chain.services["orchestrator"].load().streams == 1
        for _ in range(closes):
            await socket.send(json.dumps({"context_id": "a", "close_context": True}))
        while not json.loads(await socket.recv())["isFinal"]:
            pass
        await until(lambda: not any(each.load().streams for each in chain.services.values()))


async def test_sync_alignment_counts_from_the_start(gateway: RunningGateway) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input"
    query = f"output_format={FORMAT}&seed=7&sync_alignment=true"
    async with connect(f"{url}?{query}") as socket:
        for text in ("Hello there. ", "How are you? Are you there?", ""):
            await socket.send(json.dumps({"text": text}))
        messages = await receive(socket)
    found = [each["alignment"] for each in messages if each.get("alignment")]
    starts = [start for each in found for start in each["charStartTimesMs"]]
    assert len(found) > 1
    assert starts == sorted(starts)
    samples = sum(len(base64.b64decode(each["audio"] or b"")) for each in messages) // 2
    assert starts[-1] > samples / 24 / 2  # the last word is in the second half


async def test_unknown_voice_ends_the_websocket(gateway: RunningGateway) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/missing/stream-input"
    async with connect(url) as socket:
        await socket.send(json.dumps({"text": "Hello there. "}))
        messages = await receive(socket)
    assert messages[-1]["error"] == "voice_not_found"
    assert "missing" in messages[-1]["message"]
    assert socket.close_code == 1008


@pytest.mark.parametrize("message", ["{", "[" * 20_000, b"[]"], ids=["broken", "deep", "binary"])
async def test_malformed_message_ends_the_websocket(message: str | bytes) -> None:
    async with running_gateway("127.0.0.1:1") as gateway:
        url = f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input"
        async with connect(url) as socket:
            await socket.send(message)
            (answer,) = await receive(socket)
    assert answer["error"] == "invalid_message"
    assert socket.close_code == 1008


def test_aligner_shares_times_among_characters() -> None:
    aligner = Aligner("Hi, you.")
    words = [WordTime("Hi", 0, 2, 2400, 4800, 24000), WordTime("you", 4, 7, 9600, 16800, 24000)]
    first, second, rest = aligner.take(words[:1]), aligner.take(words[1:]), aligner.rest()
    assert first.characters == ["H", "i"]
    assert first.starts_s == pytest.approx([0.1, 0.15])
    assert second.characters == [",", " ", "y", "o", "u"]
    assert second.starts_s == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    assert rest.characters == ["."]
    assert rest.starts_s == rest.ends_s == pytest.approx([0.7])
    assert second.in_milliseconds(origin_s=0.2)["charStartTimesMs"] == [0, 100, 200, 300, 400]
