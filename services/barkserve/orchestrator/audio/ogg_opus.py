"""Opus in Ogg: the same bytes for the same samples, and an end to the sample.

libsndfile draws a stream's number, and ends a stream before the encoder's own delay is over. Both
stand in the headers of Ogg's pages (RFC 3533, RFC 7845), where they are written anew; the packets
stay as they are.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.audio.libsndfile import OGG_OPUS, CodecEncoder

_CLOCK = 48_000  # ticks a second of the positions in a stream, whatever its rate
_DELAY_S = 0.0065  # of libopus: so much must follow the last sample to push it out
_SERIAL = 1

_POSITION, _NUMBER, _CHECKSUM, _SEGMENTS = slice(6, 14), slice(14, 18), slice(22, 26), 26
_HEADER_BYTES = 27
_PRE_SKIP = slice(38, 40)  # in the first page, which holds one packet of one segment


class OggOpusEncoder:
    """A stream.

    Args:
        sample_rate: samples a second; one that Opus takes.
    """

    def __init__(self, sample_rate: int) -> None:
        self._encoder = CodecEncoder(OGG_OPUS, sample_rate)
        self.trail_s = self._encoder.trail_s
        self._rate = sample_rate
        self._samples = 0
        self._pre_skip: int | None = None  # ticks before the first sample

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples; returns the pages that are complete."""
        self._samples += len(samples)
        return self._renewed(self._encoder.push(samples))

    def flush(self) -> bytes:
        """The pages of all that is held."""
        silence = np.zeros(round(_DELAY_S * self._rate), dtype=np.float32)
        return self._renewed(self._encoder.push(silence) + self._encoder.flush())

    def _renewed(self, data: bytes) -> bytes:
        """Whole pages, with this stream's number and no position beyond the last sample."""
        renewed = bytearray(data)
        for page in _pages(memoryview(renewed)):
            if self._pre_skip is None:
                self._pre_skip = int.from_bytes(page[_PRE_SKIP], "little")
            end = self._pre_skip + self._samples * _CLOCK // self._rate
            position = min(int.from_bytes(page[_POSITION], "little"), end)
            page[_POSITION] = position.to_bytes(8, "little")
            page[_NUMBER] = _SERIAL.to_bytes(4, "little")
            page[_CHECKSUM] = bytes(4)
            page[_CHECKSUM] = _checksum(page).to_bytes(4, "little")
        return bytes(renewed)


def _pages(data: memoryview) -> Iterator[memoryview]:
    while data:
        segments = data[_HEADER_BYTES : _HEADER_BYTES + data[_SEGMENTS]]
        size = _HEADER_BYTES + len(segments) + sum(segments)
        yield data[:size]
        data = data[size:]


def _checksum(page: memoryview) -> int:
    """Ogg's CRC-32 of a page whose own field is zero."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFF_FFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


def _table_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x04C1_1DB7 if value & 0x8000_0000 else 0)
    return value & 0xFFFF_FFFF


_TABLE = tuple(_table_entry(byte) for byte in range(256))
