"""A server's description of itself as plain values."""

from dataclasses import dataclass

from barkclient.options import Encoding
from barkclient.responses import ENCODINGS
from barkserve.v1 import speech_pb2


@dataclass(frozen=True)
class ServerLimits:
    """Limits of a server. 0: an older server does not report it."""

    max_text_characters: int
    max_contexts: int  # open at once in one stream
    max_streams: int
    max_voice_bytes: int
    max_stored_voices: int  # 0: no voice store
    voice_handle_s: int
    min_sample_rate: int
    max_sample_rate: int
    min_chunk_ms: int
    max_chunk_ms: int
    min_speaking_rate: float
    max_speaking_rate: float


@dataclass(frozen=True)
class ServerInfo:
    """Version, model, formats and limits of a server."""

    version: str
    model: str
    model_revision: str
    sample_rate: int
    default_voice: str
    encodings: tuple[Encoding, ...]
    languages: tuple[str, ...]  # BCP 47 codes of the voices; empty: unknown
    limits: ServerLimits


def decode_server_info(message: speech_pb2.GetServerInfoResponse) -> ServerInfo:
    """Decode GetServerInfo. Encodings that this client does not know are omitted."""
    limits = message.limits
    return ServerInfo(
        version=message.version,
        model=message.model,
        model_revision=message.model_revision,
        sample_rate=message.sample_rate_hertz,
        default_voice=message.default_voice,
        encodings=tuple(ENCODINGS[each] for each in message.encodings if each in ENCODINGS),
        languages=tuple(message.language_codes),
        limits=ServerLimits(
            max_text_characters=limits.max_text_characters,
            max_contexts=limits.max_contexts,
            max_streams=limits.max_streams,
            max_voice_bytes=limits.max_voice_bytes,
            max_stored_voices=limits.max_stored_voices,
            voice_handle_s=limits.voice_handle_seconds,
            min_sample_rate=limits.min_sample_rate_hertz,
            max_sample_rate=limits.max_sample_rate_hertz,
            min_chunk_ms=limits.min_chunk_ms,
            max_chunk_ms=limits.max_chunk_ms,
            min_speaking_rate=limits.min_speaking_rate,
            max_speaking_rate=limits.max_speaking_rate,
        ),
    )
