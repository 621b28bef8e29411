"""The routes of the OpenAI API: speech, models and voices."""

from fastapi import APIRouter
from starlette.responses import Response

from barkclient import AsyncClient, AsyncSynthesis
from barkserve.gateway.dependencies import BackendDependency, ClientDependency, RequestId
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.formats import FORMATS, encoded
from barkserve.gateway.ignored_fields import ignored_header
from barkserve.gateway.openai.events import MIME_TYPE, events
from barkserve.gateway.openai.failures import render
from barkserve.gateway.openai.request import SpeechRequest
from barkserve.gateway.streamed_body import StreamedBody
from barkserve.gateway.warnings_field import warnings_field

MODEL_NAMES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""OpenAI's names. They all mean the checkpoint that the server has."""


def speech_routes() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    router.post("/audio/speech", response_class=Response)(create_speech)
    router.get("/models")(list_models)
    router.get("/audio/models")(list_speech_models)
    router.get("/audio/voices")(list_voices)
    return router


async def create_speech(
    speech: SpeechRequest,
    backend: BackendDependency,
    client: ClientDependency,
    request_id: RequestId,
) -> Response:
    """Speak a text. The audio is sent while it is generated."""
    await _check_model(speech.model, client)
    http_format = FORMATS[speech.response_format]
    voice = speech.voice_name
    if voice is not None:
        voice = await backend.aliases.resolve(voice, client)
    options = speech.options(voice, http_format.encoding, request_id)
    synthesis = client.synthesize(speech.input, **options)
    headers = ignored_header(speech.ignored)
    audio = encoded(synthesis, http_format)
    if speech.stream_format == "audio":
        return StreamedBody(audio, http_format.mime_type, headers, render)
    body = events(audio, lambda: _report(speech.input, synthesis))
    return StreamedBody(body, MIME_TYPE, headers | {"cache-control": "no-cache"}, render)


async def list_models(client: ClientDependency) -> dict[str, object]:
    """List the names that `model` can have."""
    names = await _model_names(client)
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "barkserve"} for name in names
    ]
    return {"object": "list", "data": data}


async def list_speech_models(client: ClientDependency) -> dict[str, object]:
    """List the models in the form that Open WebUI reads."""
    return {"models": [{"id": name, "name": name} for name in await _model_names(client)]}


async def list_voices(client: ClientDependency) -> dict[str, object]:
    """List the voices."""
    voices = [
        {
            "id": voice.name,
            "name": voice.name,
            "language": voice.language,
            "description": voice.description,
            "is_default": voice.is_default,
        }
        for voice in await client.voices()
    ]
    return {"voices": voices}


async def _model_names(client: AsyncClient) -> tuple[str, ...]:
    return ((await client.server_info()).model, *MODEL_NAMES)


async def _check_model(name: str, client: AsyncClient) -> None:
    if name in MODEL_NAMES:
        return
    names = await _model_names(client)
    if name not in names:
        message = f"model: {name!r} is not served here: use one of {', '.join(names)}"
        raise HttpFailure(404, "model_not_found", message, "model")


def _report(text: str, synthesis: AsyncSynthesis) -> dict[str, object]:
    """Characters of the text and semantic tokens of the speech, and its warnings."""
    finished = synthesis.finished
    spoken = sum(each.output_count for each in finished.stages if each.stage == "semantic")
    usage = {
        "input_tokens": len(text),
        "output_tokens": spoken,
        "total_tokens": len(text) + spoken,
    }
    return {"usage": usage} | warnings_field(finished)
