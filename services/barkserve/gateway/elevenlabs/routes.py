"""The HTTP routes of the ElevenLabs API: speech and voices."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from barkclient import AsyncSynthesis, Voice
from barkserve.gateway.dependencies import ClientDependency, RequestId
from barkserve.gateway.elevenlabs import output_format as formats
from barkserve.gateway.elevenlabs.failures import render
from barkserve.gateway.elevenlabs.output_format import OutputFormat, parse_output_format
from barkserve.gateway.elevenlabs.request import TextToSpeechRequest
from barkserve.gateway.elevenlabs.timestamps import MIME_TYPE, timed_chunks, timed_speech
from barkserve.gateway.formats import chunks_of
from barkserve.gateway.ignored_fields import ignored_header
from barkserve.gateway.streamed_body import StreamedBody

PATH = "/v1/text-to-speech/{voice_id:path}"


async def _output(output_format: Annotated[str, Query()] = formats.DEFAULT) -> OutputFormat:
    return parse_output_format(output_format)


Output = Annotated[OutputFormat, Depends(_output)]


@dataclass(frozen=True)
class _Form:
    """A form of the response.

    Attributes:
        summary: of the route, for its description.
        parts: yields the body, from the speech and its text.
        has_times: whether the body is JSON with the times of the characters.
    """

    summary: str
    parts: Callable[[AsyncSynthesis, str], AsyncGenerator[bytes, None]]
    has_times: bool = True


_AUDIO = _Form("Speak a text", lambda speech, _: chunks_of(speech), has_times=False)
_FORMS = {
    "/stream/with-timestamps": _Form("Speak, with times in lines of JSON", timed_chunks),
    "/with-timestamps": _Form("Speak, with times in one JSON object", timed_speech),
    "/stream": _AUDIO,
    "": _AUDIO,
}
"""By the end of the path. A voice's name may contain slashes, so the longer paths come first."""


def _speaking(form: _Form) -> Callable[..., Awaitable[Response]]:
    """Make a route that speaks a text. The response is sent while the audio is generated."""

    async def speak(
        voice_id: str,
        body: TextToSpeechRequest,
        output: Output,
        client: ClientDependency,
        request_id: RequestId,
    ) -> Response:
        options = body.options(voice_id, output, request_id, word_times=form.has_times)
        parts = form.parts(client.synthesize(body.text, **options), body.text)
        mime_type = MIME_TYPE if form.has_times else output.mime_type
        return StreamedBody(parts, mime_type, ignored_header(body.ignored), render)

    return speak


def elevenlabs_routes() -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["ElevenLabs"])
    for end, form in _FORMS.items():
        add = router.post(PATH + end, response_class=Response, summary=form.summary)
        add(_speaking(form))
    router.get("/v1/voices")(list_voices)
    router.get("/v1/voices/{voice_id:path}")(get_voice)
    return router


async def list_voices(client: ClientDependency) -> dict[str, object]:
    """List the voices."""
    return {"voices": [_voice(voice) for voice in await client.voices()]}


async def get_voice(voice_id: str, client: ClientDependency) -> dict[str, object]:
    """Describe one voice."""
    return _voice(await client.get_voice(voice_id))


def _voice(voice: Voice) -> dict[str, object]:
    return {
        "voice_id": voice.name,
        "name": voice.name,
        "category": "cloned" if voice.stored else "premade",
        "description": voice.description,
        "labels": {"language": voice.language} if voice.language else {},
    }
