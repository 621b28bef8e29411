"""Decoders of ITU-T G.711: one byte of mu-law or A-law per sample."""

import numpy as np
from numpy.typing import NDArray

_MULAW_BIAS = 33
_MULAW_SCALE = 8192.0  # 14 bits and the sign
_ALAW_SCALE = 4096.0  # 13 bits and the sign


def decode_mulaw(audio: bytes) -> NDArray[np.float32]:
    """Decode mu-law to samples in [-1, 1]."""
    code = ~np.frombuffer(audio, np.uint8)
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((2 * mantissa + _MULAW_BIAS) << exponent) - _MULAW_BIAS
    return np.where(code & 128, -magnitude, magnitude).astype(np.float32) / _MULAW_SCALE


def decode_alaw(audio: bytes) -> NDArray[np.float32]:
    """Decode A-law to samples in [-1, 1]."""
    code = np.frombuffer(audio, np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    base = 2 * mantissa + 1
    magnitude = np.where(exponent == 0, base, (base + 32) << np.maximum(exponent - 1, 0))
    return np.where(code & 128, magnitude, -magnitude).astype(np.float32) / _ALAW_SCALE
