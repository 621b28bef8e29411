"""Encoders without a codec: 16-bit integers, with or without a WAV header, and 32-bit floats."""

import struct

import numpy as np
from numpy.typing import NDArray

_UNKNOWN_LENGTH = 0xFFFF_FFFF
_WAVE_FORMAT_PCM = 1


def to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Convert (n,) floats to (n,) little-endian 16-bit integers; clip to -1 to 1."""
    integers: NDArray[np.int16] = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
    return integers


class Pcm16Encoder:
    """Encodes samples as 16-bit integers.

    Args:
        header: bytes to put before the first sample.
    """

    trail_s = 0.0

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples."""
        header, self._header = self._header, b""
        return header + to_pcm16(samples).tobytes()

    def flush(self) -> bytes:
        """Return no bytes: nothing is held back."""
        return b""


class Float32Encoder:
    """Encodes samples as 32-bit floats, without clipping."""

    trail_s = 0.0

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples."""
        return samples.astype("<f4").tobytes()

    def flush(self) -> bytes:
        """Return no bytes: nothing is held back."""
        return b""


def wav_header(sample_rate: int) -> bytes:
    """Return the RIFF WAVE header of mono PCM16 with unknown lengths."""
    data = struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, _WAVE_FORMAT_PCM, 1, sample_rate, 2 * sample_rate, 2, 16
    )
    return struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE") + fmt + data
