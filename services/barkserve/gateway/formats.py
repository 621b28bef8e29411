"""The audio formats of HTTP responses, and how the orchestrator's encodings become them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from barkclient import AsyncSynthesis
from barkclient.options import Encoding
from barkserve.gateway.aac import AacEncoder


@dataclass(frozen=True)
class HttpFormat:
    """A format of an HTTP body.

    Attributes:
        name: the value of `response_format`.
        mime_type: the media type of the body.
        encoding: the encoding to ask the orchestrator for.
        is_aac: whether the gateway encodes the samples again, because the orchestrator cannot.
    """

    name: str
    mime_type: str
    encoding: Encoding
    is_aac: bool = False


_FORMATS = (
    HttpFormat("mp3", "audio/mpeg", "mp3"),
    HttpFormat("opus", "audio/ogg", "ogg_opus"),
    HttpFormat("aac", "audio/aac", "pcm16", is_aac=True),
    HttpFormat("flac", "audio/flac", "flac"),
    HttpFormat("wav", "audio/wav", "wav"),
    HttpFormat("pcm", "audio/pcm", "pcm16"),
)
FORMATS = {each.name: each for each in _FORMATS}
"""The formats by name."""


async def chunks_of(synthesis: AsyncSynthesis) -> AsyncGenerator[bytes, None]:
    """The bytes of a speech, as they arrive. Closing the generator cancels the synthesis."""
    async with synthesis:
        async for chunk in synthesis:
            if chunk.audio:
                yield chunk.audio


async def encoded(
    synthesis: AsyncSynthesis, http_format: HttpFormat
) -> AsyncGenerator[bytes, None]:
    """The bytes of a body, as the audio arrives. Closing it cancels the synthesis.

    Raises:
        BarkClientError: the synthesis failed.
    """
    if not http_format.is_aac:
        async with aclosing(chunks_of(synthesis)) as chunks:
            async for audio in chunks:
                yield audio
        return
    async with synthesis:
        encoder: AacEncoder | None = None
        async for chunk in synthesis:
            encoder = encoder or AacEncoder(chunk.sample_rate)
            if frames := encoder.push(chunk.audio):
                yield frames
        if encoder is not None:
            yield encoder.flush()
