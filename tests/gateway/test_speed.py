"""The speaking rate through each API of the gateway equals the one through gRPC."""

import base64
import json
from typing import Any

import httpx
import openai
import pytest
from elevenlabs import AsyncElevenLabs, VoiceSettings
from websockets.asyncio.client import connect

from barkclient import AsyncClient
from tests.support.gateway import RunningGateway
from tests.support.services import Chain

TEXT = "Hello there. How are you?"
RATE = 1.25


@pytest.fixture
async def expected(chain: Chain) -> bytes:
    async with AsyncClient(chain.address) as client:
        options = {"seed": 7, "voice": "none", "word_times": True}
        own = await client.synthesize(TEXT, **options).read()
        fast = await client.synthesize(TEXT, speaking_rate=RATE, **options).read()
    assert own.sample_count / fast.sample_count == pytest.approx(RATE, rel=0.1)
    return fast.audio


async def test_speed_of_each_api_equals_grpc(expected: bytes, gateway: RunningGateway) -> None:
    own = [await _openai(gateway), await _elevenlabs(gateway), await _elevenlabs_stream(gateway)]
    assert [each == expected for each in [*own, await _websocket(gateway)]] == [True] * 4


async def _openai(gateway: RunningGateway) -> bytes:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        response = await client.audio.speech.create(
            model="tts-1",
            input=TEXT,
            voice="none",
            response_format="pcm",
            speed=RATE,
            extra_body={"seed": 7},
        )
        assert "x-barkserve-ignored" not in response.response.headers
        return response.content


async def _elevenlabs(gateway: RunningGateway) -> bytes:
    async with httpx.AsyncClient(timeout=60) as http:
        client = AsyncElevenLabs(base_url=gateway.url, api_key="none", httpx_client=http)
        parts = client.text_to_speech.convert(
            "none",
            text=TEXT,
            seed=7,
            output_format="pcm_24000",
            voice_settings=VoiceSettings(speed=RATE),
        )
        return b"".join([part async for part in parts])


async def _elevenlabs_stream(gateway: RunningGateway) -> bytes:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input"
    settings = {"voice_settings": {"speed": RATE, "stability": 0.5}}
    async with connect(f"{url}?output_format=pcm_24000&seed=7") as socket:
        await socket.send(json.dumps({"text": " ", **settings}))
        await socket.send(json.dumps({"text": TEXT}))
        await socket.send(json.dumps({"text": ""}))
        messages = [json.loads(message) async for message in socket]
    return b"".join(base64.b64decode(each["audio"] or b"") for each in messages)


async def _websocket(gateway: RunningGateway) -> bytes:
    options = {"seed": 7, "voice": {"name": "none"}, "speaking_rate": RATE, "text": TEXT}
    audio = b""
    async with connect(f"{gateway.websocket_url}/v1/stream") as socket:
        await socket.send(json.dumps({"config": {"options": options}}))
        await socket.send("")
        async for message in socket:
            audio += message if isinstance(message, bytes) else b""
    return audio


async def test_wrong_speed_of_elevenlabs_is_refused(gateway: RunningGateway) -> None:
    body: dict[str, Any] = {"text": TEXT, "voice_settings": {"speed": 3, "style": 0.2}}
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as http:
        refused = await http.post("/v1/text-to-speech/none", json=body)
        body["voice_settings"]["speed"] = 0.7
        spoken = await http.post("/v1/text-to-speech/none", json=body)
    message = "voice_settings.speed: must be 0.5 to 2, found 3"
    assert refused.status_code == 400
    assert refused.json()["detail"] == {"status": "unsupported_value", "message": message}
    assert spoken.status_code == 200
    assert spoken.headers["x-barkserve-ignored"] == "voice_settings.style"


async def test_wrong_settings_end_the_websocket(gateway: RunningGateway) -> None:
    url = f"{gateway.websocket_url}/v1/text-to-speech/none/stream-input"
    for settings in ({"speed": 3}, {"speed": "fast"}, [1]):
        async with connect(url) as socket:
            await socket.send(json.dumps({"text": "Hello there. ", "voice_settings": settings}))
            message = json.loads(await socket.recv())
            await socket.wait_closed()
        assert message["message"].startswith("voice_settings")
        assert socket.close_code == 1008
