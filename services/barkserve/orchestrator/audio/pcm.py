"""Encoders that need no codec: integers, floats, and integers behind a WAVE header."""

import struct

import numpy as np
from numpy.typing import NDArray

_UNKNOWN_LENGTH = 0xFFFF_FFFF
_FORMAT_PCM = 1


def to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """(n,) floats to (n,) little-endian 16-bit integers; what is beyond -1 to 1 is clipped."""
    integers: NDArray[np.int16] = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
    return integers


class Pcm16Encoder:
    """16-bit integers.

    Args:
        header: bytes before the first of them.
    """

    trail_s = 0.0

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples."""
        header, self._header = self._header, b""
        return header + to_pcm16(samples).tobytes()

    def flush(self) -> bytes:
        """Nothing is held."""
        return b""


class Float32Encoder:
    """32-bit floats, as they are."""

    trail_s = 0.0

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples."""
        return samples.astype("<f4").tobytes()

    def flush(self) -> bytes:
        """Nothing is held."""
        return b""


def wav_header(sample_rate: int) -> bytes:
    """A RIFF WAVE header of mono PCM16 whose lengths are not known yet."""
    data = struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, _FORMAT_PCM, 1, sample_rate, 2 * sample_rate, 2, 16
    )
    return struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE") + fmt + data
