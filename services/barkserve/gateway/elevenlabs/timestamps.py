"""Audio with the times of its characters, as JSON."""

import base64
import json
from collections.abc import AsyncGenerator, Mapping

from barkclient import AsyncSynthesis
from barkserve.gateway.elevenlabs.alignment import Aligner, Alignment
from barkserve.gateway.warnings_field import warnings_field

MIME_TYPE = "application/json"


async def timed_chunks(synthesis: AsyncSynthesis, text: str) -> AsyncGenerator[bytes, None]:
    """One line of JSON for each chunk, as the audio arrives."""
    aligner = Aligner(text)
    async with synthesis:
        async for chunk in synthesis:
            yield _line(chunk.audio, aligner.take(chunk.words))
        rest, warnings = aligner.rest(), warnings_field(synthesis.finished)
        if rest or warnings:
            yield _line(b"", rest, warnings)


async def timed_speech(synthesis: AsyncSynthesis, text: str) -> AsyncGenerator[bytes, None]:
    """One JSON object for the whole speech."""
    aligner = Aligner(text)
    async with synthesis:
        speech = await synthesis.read()
        alignment = aligner.take(synthesis.words) or Alignment()
        if rest := aligner.rest():
            alignment.extend("".join(rest.characters), aligner.end_s, aligner.end_s)
        yield _line(speech.audio, alignment, warnings_field(synthesis.finished))


def _line(
    audio: bytes, alignment: Alignment | None, more: Mapping[str, object] | None = None
) -> bytes:
    times = None if alignment is None else alignment.in_seconds()
    content = {
        "audio_base64": base64.b64encode(audio).decode(),
        "alignment": times,
        "normalized_alignment": times,
        **(more or {}),
    }
    return json.dumps(content).encode() + b"\n"
