"""The table of audio encodings.

Request checks, encoders, GetServerInfo and the Riva service all read this table, so a new encoding
is one more entry here. docs/design.md lists what else a new encoding touches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from barkserve.external import riva_pb2
from barkserve.orchestrator.audio.libsndfile import ALAW, FLAC, MP3, MULAW, SndfileEncoder
from barkserve.orchestrator.audio.ogg_opus import OggOpusEncoder
from barkserve.orchestrator.audio.pcm import Float32Encoder, Pcm16Encoder, wav_header
from barkserve.v1 import speech_pb2


class Encoder(Protocol):
    """Encodes one stream.

    The bytes of all calls, joined, are one file or one raw stream. They do not depend on how the
    samples were split into calls.
    """

    @property
    def trail_s(self) -> float:
        """The most audio that the encoder holds back, in seconds."""

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples, nominally -1 to 1; return the complete frames."""

    def flush(self) -> bytes:
        """Return the remaining bytes. The last call."""


@dataclass(frozen=True)
class Encoding:
    """An encoding of the audio that clients receive.

    Attributes:
        name: the name in lower case, "ogg_opus".
        value: the value of AudioEncoding in speech.proto, AUDIO_ENCODING_ and the name.
        mime_type: the media type of the whole stream.
        extensions: extensions of files, the usual one first.
        make_encoder: returns a new encoder for a sample rate in Hz.
        sample_rates: the rates in Hz that the encoding supports; None for all.
        plain_samples: whether the bytes are samples alone, which a client can play or cut without
            decoding what came before.
        riva: the value of AudioEncoding in Riva's protos; None if Riva has no such encoding.
    """

    name: str
    value: speech_pb2.AudioEncoding
    mime_type: str
    extensions: tuple[str, ...]
    make_encoder: Callable[[int], Encoder]
    sample_rates: tuple[int, ...] | None = None
    plain_samples: bool = False
    riva: riva_pb2.AudioEncoding | None = None

    @property
    def proto_name(self) -> str:
        """The name of the value in speech.proto."""
        return f"AUDIO_ENCODING_{self.name.upper()}"


_TABLE = (
    Encoding(
        "pcm16",
        speech_pb2.AUDIO_ENCODING_PCM16,
        mime_type="audio/pcm",
        extensions=(".pcm", ".raw"),
        make_encoder=lambda _: Pcm16Encoder(),
        plain_samples=True,
        riva=riva_pb2.LINEAR_PCM,
    ),
    Encoding(
        "float32",
        speech_pb2.AUDIO_ENCODING_FLOAT32,
        mime_type="application/octet-stream",  # no registered type has floats
        extensions=(".f32",),
        make_encoder=lambda _: Float32Encoder(),
        plain_samples=True,
    ),
    Encoding(
        "mulaw",
        speech_pb2.AUDIO_ENCODING_MULAW,
        mime_type="audio/PCMU",
        extensions=(".ulaw", ".mulaw", ".ul"),
        make_encoder=partial(SndfileEncoder, MULAW),
        plain_samples=True,
        riva=riva_pb2.MULAW,
    ),
    Encoding(
        "alaw",
        speech_pb2.AUDIO_ENCODING_ALAW,
        mime_type="audio/PCMA",
        extensions=(".alaw", ".al"),
        make_encoder=partial(SndfileEncoder, ALAW),
        plain_samples=True,
        riva=riva_pb2.ALAW,
    ),
    Encoding(
        "wav",
        speech_pb2.AUDIO_ENCODING_WAV,
        mime_type="audio/wav",
        extensions=(".wav",),
        make_encoder=lambda sample_rate: Pcm16Encoder(wav_header(sample_rate)),
    ),
    Encoding(
        "flac",
        speech_pb2.AUDIO_ENCODING_FLAC,
        mime_type="audio/flac",
        extensions=(".flac",),
        make_encoder=partial(SndfileEncoder, FLAC),
        riva=riva_pb2.FLAC,
    ),
    Encoding(
        "ogg_opus",
        speech_pb2.AUDIO_ENCODING_OGG_OPUS,
        mime_type="audio/ogg; codecs=opus",
        extensions=(".opus", ".ogg"),
        make_encoder=OggOpusEncoder,
        sample_rates=(8_000, 12_000, 16_000, 24_000, 48_000),
        riva=riva_pb2.OGGOPUS,
    ),
    Encoding(
        "mp3",
        speech_pb2.AUDIO_ENCODING_MP3,
        mime_type="audio/mpeg",
        extensions=(".mp3",),
        make_encoder=partial(SndfileEncoder, MP3),
        sample_rates=(8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ),
)

ENCODINGS: dict[speech_pb2.AudioEncoding, Encoding] = {each.value: each for each in _TABLE}
"""All encodings by their value in speech.proto."""
