"""Samples to the bytes that a client asked for. Knows encodings; knows no streams."""

import numpy as np
from numpy.typing import NDArray

from barkserve.errors import InvalidArgument
from barkserve.v1 import speech_pb2

ENCODINGS = (speech_pb2.AUDIO_ENCODING_PCM16, speech_pb2.AUDIO_ENCODING_FLOAT32)
"""All that a client may ask for."""


def resolve_encoding(encoding: speech_pb2.AudioEncoding) -> speech_pb2.AudioEncoding:
    """The encoding in use for one that was asked for. Raises InvalidArgument for one that does not
    exist."""
    if encoding == speech_pb2.AUDIO_ENCODING_UNSPECIFIED:
        return speech_pb2.AUDIO_ENCODING_PCM16
    if encoding not in ENCODINGS:
        raise InvalidArgument(
            "audio_format.encoding", "must be AUDIO_ENCODING_PCM16 or AUDIO_ENCODING_FLOAT32"
        )
    return encoding


def encode(samples: NDArray[np.float32], encoding: int) -> bytes:
    """(n,) float32 samples, nominally -1 to 1, to little-endian bytes; PCM16 clips."""
    if encoding == speech_pb2.AUDIO_ENCODING_FLOAT32:
        return samples.astype("<f4").tobytes()
    scaled = np.clip(np.rint(samples * 32767.0), -32768, 32767)
    pcm: bytes = scaled.astype("<i2").tobytes()
    return pcm
