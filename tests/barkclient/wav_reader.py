"""A WAV reader that detects wrong headers."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Wav:
    format: int
    channels: int
    sample_rate: int
    bits: int
    fact: int | None  # samples
    audio: bytes
    rest: bytes  # bytes after the last chunk of the header


def read_wav(content: bytes) -> Wav:
    """Read a WAV. Raises AssertionError if its header is inconsistent or too long."""
    riff, riff_size, wave = struct.unpack_from("<4sI4s", content)
    assert (riff, wave) == (b"RIFF", b"WAVE")
    position, chunks = 12, {}
    while "data" not in chunks:
        name, size = struct.unpack_from("<4sI", content, position)
        position += 8
        assert position + size <= len(content), f"{name} promises {size} bytes"
        chunks[name.decode().strip()] = content[position : position + size]
        position += size
    assert riff_size == position - 8
    kind, channels, rate, byte_rate, block, bits = struct.unpack_from("<HHIIHH", chunks["fmt"])
    assert (byte_rate, block) == (rate * channels * bits // 8, channels * bits // 8)
    fact = struct.unpack("<I", chunks["fact"])[0] if "fact" in chunks else None
    return Wav(kind, channels, rate, bits, fact, chunks["data"], content[position:])
