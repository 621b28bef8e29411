"""The HTTP routes of the ElevenLabs API: speech and voices."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from barkclient import AsyncClient, AsyncSynthesis, Voice
from barkserve.gateway.dependencies import ClientDependency, RequestId
from barkserve.gateway.elevenlabs import output_format as formats
from barkserve.gateway.elevenlabs.failures import render
from barkserve.gateway.elevenlabs.output_format import OutputFormat, parse_output_format
from barkserve.gateway.elevenlabs.request import TextToSpeechRequest
from barkserve.gateway.elevenlabs.timestamps import MIME_TYPE, timed_chunks, timed_speech
from barkserve.gateway.formats import chunks_of
from barkserve.gateway.ignored_fields import ignored_header
from barkserve.gateway.streamed_body import StreamedBody

PREFIX = "/v1/text-to-speech/"


async def _output(output_format: Annotated[str, Query()] = formats.DEFAULT) -> OutputFormat:
    return parse_output_format(output_format)


Output = Annotated[OutputFormat, Depends(_output)]


def elevenlabs_routes() -> APIRouter:
    """Make the routes. A voice's name may contain slashes, so the longer paths come first."""
    router = APIRouter(tags=["ElevenLabs"])
    voice = PREFIX + "{voice_id:path}"
    router.post(voice + "/stream/with-timestamps", response_class=Response)(stream_with_timestamps)
    router.post(voice + "/with-timestamps", response_class=Response)(speak_with_timestamps)
    router.post(voice + "/stream", response_class=Response)(speak)
    router.post(voice, response_class=Response)(speak)
    router.get("/v1/voices")(list_voices)
    router.get("/v1/voices/{voice_id:path}")(get_voice)
    return router


async def speak(
    voice_id: str,
    body: TextToSpeechRequest,
    output: Output,
    client: ClientDependency,
    request_id: RequestId,
) -> Response:
    """Speak a text. The audio is sent while it is generated."""
    options = body.options(voice_id, output, request_id, word_times=False)
    audio = chunks_of(client.synthesize(body.text, **options))
    return StreamedBody(audio, output.mime_type, ignored_header(body.ignored), render)


async def stream_with_timestamps(
    voice_id: str,
    body: TextToSpeechRequest,
    output: Output,
    client: ClientDependency,
    request_id: RequestId,
) -> Response:
    """Speak a text. Each line of the response has audio and the times of its characters."""
    synthesis = _timed(client, voice_id, body, output, request_id)
    chunks = timed_chunks(synthesis, body.text)
    return StreamedBody(chunks, MIME_TYPE, ignored_header(body.ignored), render)


async def speak_with_timestamps(
    voice_id: str,
    body: TextToSpeechRequest,
    output: Output,
    client: ClientDependency,
    request_id: RequestId,
) -> Response:
    """Speak a text. The response has the whole audio and the times of all characters."""
    synthesis = _timed(client, voice_id, body, output, request_id)
    speech = timed_speech(synthesis, body.text)
    return StreamedBody(speech, MIME_TYPE, ignored_header(body.ignored), render)


async def list_voices(client: ClientDependency) -> dict[str, object]:
    """List the voices."""
    return {"voices": [_voice(voice) for voice in await client.voices()]}


async def get_voice(voice_id: str, client: ClientDependency) -> dict[str, object]:
    """Describe one voice."""
    return _voice(await client.get_voice(voice_id))


def _timed(
    client: AsyncClient,
    voice: str,
    body: TextToSpeechRequest,
    output: OutputFormat,
    request_id: str,
) -> AsyncSynthesis:
    return client.synthesize(body.text, **body.options(voice, output, request_id, word_times=True))


def _voice(voice: Voice) -> dict[str, object]:
    return {
        "voice_id": voice.name,
        "name": voice.name,
        "category": "cloned" if voice.stored else "premade",
        "description": voice.description,
        "labels": {"language": voice.language} if voice.language else {},
    }
