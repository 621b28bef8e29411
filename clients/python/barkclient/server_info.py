"""What a server says of itself, as plain values."""

from dataclasses import dataclass

from barkclient.options import Encoding
from barkclient.responses import ENCODINGS
from barkserve.v1 import speech_pb2


@dataclass(frozen=True)
class ServerLimits:
    """What a server refuses beyond; 0 where an older server does not say."""

    max_text_characters: int
    max_contexts: int  # open in one stream
    max_streams: int
    max_voice_bytes: int
    max_stored_voices: int  # 0: no voice store
    voice_handle_s: int
    min_sample_rate: int
    max_sample_rate: int
    min_chunk_ms: int
    max_chunk_ms: int


@dataclass(frozen=True)
class ServerInfo:
    """What a server is."""

    version: str
    model: str
    model_revision: str
    sample_rate: int
    default_voice: str
    encodings: tuple[Encoding, ...]
    languages: tuple[str, ...]  # of the checkpoint's voices; empty if it does not say
    limits: ServerLimits


def decode_server_info(message: speech_pb2.GetServerInfoResponse) -> ServerInfo:
    """Encodings that are not known here are left out."""
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
        ),
    )
