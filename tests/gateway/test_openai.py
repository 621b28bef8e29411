"""The OpenAI API, with the official client."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import httpx
import numpy as np
import openai
import pytest

from barkclient import AsyncClient
from barkserve.constants import STAGES
from barkserve.gateway.openai.voices import OPENAI_VOICES, VoiceAliases
from tests.support.fakes import until
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.services import Chain, running

TEXT = "Hello there."
SEED = {"seed": 7}
SPEECH = {"model": "tts-1", "input": TEXT, "seed": 7}


async def expected_pcm(chain: Chain, **options: object) -> bytes:
    """The same speech through gRPC."""
    async with AsyncClient(chain.address) as client:
        return (await client.synthesize(TEXT, seed=7, **options).read()).audio


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{gateway.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        yield client


async def test_speech_equals_grpc_for_one_seed(chain: Chain, client: openai.AsyncOpenAI) -> None:
    response = await client.audio.speech.create(
        model="tts-1", input=TEXT, voice="none", response_format="pcm", extra_body=SEED
    )
    assert response.content == await expected_pcm(chain, voice="none")


async def test_speech_streams_with_streaming_response(
    chain: Chain, client: openai.AsyncOpenAI
) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="tts-1", input=TEXT, voice="none", response_format="pcm", extra_body=SEED
    ) as response:
        parts = [part async for part in response.iter_bytes()]
    assert len(parts) > 1
    assert b"".join(parts) == await expected_pcm(chain, voice="none")


async def test_speech_with_sync_client(chain: Chain, gateway: RunningGateway) -> None:
    def speak() -> bytes:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
            return client.audio.speech.create(
                model="tts-1", input=TEXT, voice="none", response_format="pcm", extra_body=SEED
            ).content

    assert await asyncio.to_thread(speak) == await expected_pcm(chain, voice="none")


async def test_speech_sends_events(chain: Chain, http: httpx.AsyncClient) -> None:
    body = SPEECH | {"voice": "none", "response_format": "pcm", "stream_format": "sse"}
    response = await http.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = list(events(response.text))
    *deltas, done = found
    audio = b"".join(base64.b64decode(each["audio"]) for each in deltas)
    assert {each["type"] for each in deltas} == {"speech.audio.delta"}
    assert audio == await expected_pcm(chain, voice="none")
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["input_tokens"] == len(TEXT)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] > 0


def events(text: str) -> Iterator[dict]:
    for block in text.split("\n\n"):
        if block:
            assert block.startswith("data: ")
            yield json.loads(block.removeprefix("data: "))


@pytest.mark.parametrize(
    ("name", "mime_type", "encoding"),
    [
        ("mp3", "audio/mpeg", "mp3"),
        ("opus", "audio/ogg", "ogg_opus"),
        ("flac", "audio/flac", "flac"),
        ("wav", "audio/wav", "wav"),
    ],
)
async def test_format_has_the_bytes_of_its_encoding(
    chain: Chain, http: httpx.AsyncClient, name: str, mime_type: str, encoding: str
) -> None:
    body = SPEECH | {"voice": "none", "response_format": name}
    response = await http.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"] == mime_type
    expected = await expected_pcm(chain, voice="none", encoding=encoding)
    if name == "opus":  # the serial number of the Ogg stream is random
        assert len(response.content) == len(expected)
    else:
        assert response.content == expected
    assert decoded(response.content).size


async def test_aac_decodes_to_the_speech(chain: Chain, http: httpx.AsyncClient) -> None:
    body = SPEECH | {"voice": "none", "response_format": "aac"}
    response = await http.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"] == "audio/aac"
    found = decoded(response.content)
    expected = np.frombuffer(await expected_pcm(chain, voice="none"), "<i2") / 32768
    frame = 1024  # the encoder's delay and the last, partly filled frame
    assert 0 <= found.size - expected.size <= 3 * frame
    delayed = found[frame : frame + expected.size]
    assert np.corrcoef(delayed, expected)[0, 1] > 0.8


def decoded(file: bytes) -> np.ndarray:
    with av.open(io.BytesIO(file)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate([frame.reshape(-1) for frame in frames])


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"voice": "missing"}, 404, "voice_not_found", None),
        ({"model": "davinci"}, 404, "model_not_found", "model"),
        ({"input": ""}, 400, "invalid_request", "input"),
        ({"input": 5}, 400, "invalid_request", "input"),
        ({"speed": 4.0}, 400, "unsupported_value", "speed"),
        ({"response_format": "ogg"}, 400, "invalid_request", "response_format"),
        ({"sample_rate": 1}, 400, "invalid_request", "sample_rate"),
        ({"seed": -1}, 400, "invalid_request", "seed"),
    ],
)
async def test_wrong_request_is_answered_with_a_typed_error(
    http: httpx.AsyncClient, change: dict, status: int, code: str, param: str | None
) -> None:
    response = await http.post("/v1/audio/speech", json=SPEECH | change)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"]


async def test_official_client_raises_its_own_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="missing"):
        await client.audio.speech.create(model="tts-1", input=TEXT, voice="missing")
    with pytest.raises(openai.BadRequestError, match="nothing to speak"):
        await client.audio.speech.create(model="tts-1", input=" ", voice="alloy")


async def test_body_that_is_not_json_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    response = await http.post("/v1/audio/speech", content=b"{", headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("the body is not JSON")


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_body_is_refused(http: httpx.AsyncClient, chunked: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1024 * 1024

    content = parts() if chunked else b"x" * 10 * 1024 * 1024
    headers = {"content-type": "application/json"}
    response = await http.post("/v1/audio/speech", content=content, headers=headers)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


async def test_ignored_fields_are_named_in_a_header(http: httpx.AsyncClient) -> None:
    body = SPEECH | {"instructions": "Whisper.", "tempo": 3, "m\u00fcde\n": 1}
    response = await http.post("/v1/audio/speech", json=body)
    assert response.headers["x-barkserve-ignored"] == "instructions, tempo, m%C3%BCde%0A"


async def test_request_id_is_repeated(http: httpx.AsyncClient) -> None:
    given = await http.get("/v1/models", headers={"x-request-id": "my-id"})
    cut = await http.get("/v1/models", headers={"x-request-id": "x" * 200})
    created = await http.get("/v1/models")
    assert given.headers["x-request-id"] == "my-id"
    assert cut.headers["x-request-id"] == "x" * 128
    assert len(created.headers["x-request-id"]) == 32


async def test_models_and_voices_are_listed(client: openai.AsyncOpenAI, chain: Chain) -> None:
    models = [model.id async for model in await client.models.list()]
    async with AsyncClient(chain.address) as own:
        info, voices = await own.server_info(), await own.voices()
    assert models == [info.model, "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    response = await client.get("/audio/voices", cast_to=httpx.Response)
    assert [each["id"] for each in response.json()["voices"]] == [each.name for each in voices]


async def test_aliases_take_the_voices_in_turn(chain: Chain) -> None:
    async with AsyncClient(chain.address) as client:
        names = [voice.name for voice in await client.voices()]
        aliases = VoiceAliases.from_option("echo=my/voice")
        found = [await aliases.resolve(name, client) for name in OPENAI_VOICES]
    expected = [names[index % len(names)] for index in range(len(OPENAI_VOICES))]
    assert found == [expected[0], "my/voice", *expected[2:]]


async def test_client_that_leaves_frees_its_slots(chain: Chain, gateway: RunningGateway) -> None:
    long = {"model": "tts-1", "input": "One two three four five. " * 1000, "response_format": "pcm"}
    async with (
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
        http.stream("POST", "/v1/audio/speech", json=long) as response,
    ):
        audio = response.aiter_bytes()
        await anext(audio)
        assert chain.services["orchestrator"].load().streams == 1
    await until(lambda: not any(service.load().streams for service in chain.services.values()))


async def test_full_server_says_when_to_retry(chain: Chain, tiny_folder: Path) -> None:
    stages = {stage: chain.services[stage].address for stage in STAGES}
    long = SPEECH | {"input": "One two three four five. " * 1000, "response_format": "pcm"}
    async with (
        running("orchestrator", tiny_folder, max_streams=1, **stages) as orchestrator,
        running_gateway(orchestrator.address) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
        http.stream("POST", "/v1/audio/speech", json=long) as speaking,
    ):
        audio = speaking.aiter_bytes()  # dropping it would end the request
        await anext(audio)
        response = await http.post("/v1/audio/speech", json=SPEECH)
    assert response.status_code == 429
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert int(response.headers["retry-after"]) >= 1


async def test_readiness_follows_the_orchestrator(http: httpx.AsyncClient, chain: Chain) -> None:
    assert (await http.get("/readyz")).status_code == 200
    await chain.services["orchestrator"].server.stop(None)
    response = await http.get("/readyz")
    assert response.status_code == 503
    assert "reason" in response.json()
    assert (await http.get("/healthz")).status_code == 200


async def test_draining_refuses_new_requests(gateway: RunningGateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        await gateway.gateway.drain.drain(timeout_s=1)
        response = await http.get("/v1/models")
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).json()["reason"] == "this gateway is shutting down"
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "shutting_down"
    assert response.headers["retry-after"] == "1"
