"""Opus in Ogg with reproducible bytes and a sample-accurate end.

libsndfile chooses a random serial number, and it ends a stream before the encoder's delay has
passed. Both are fields of Ogg page headers (RFC 3533, RFC 7845). This module rewrites the headers
and leaves the packets as they are.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.audio.libsndfile import OGG_OPUS, SndfileEncoder

_GRANULE_RATE = 48_000  # granule positions per second, whatever the sample rate
_DELAY_S = 0.0065  # libopus holds back this much: append it to push out the last sample
_SERIAL = 1

# Fields of a page header.
_GRANULE_POSITION = slice(6, 14)
_SERIAL_NUMBER = slice(14, 18)
_CHECKSUM = slice(22, 26)
_SEGMENT_COUNT = 26
_HEADER_BYTES = 27
_PRE_SKIP = slice(38, 40)  # in the first page, which holds one packet of one segment


class OggOpusEncoder:
    """Encodes one stream.

    Args:
        sample_rate: in Hz; a rate that Opus supports.
    """

    def __init__(self, sample_rate: int) -> None:
        self._encoder = SndfileEncoder(OGG_OPUS, sample_rate)
        self.trail_s = self._encoder.trail_s
        self._rate = sample_rate
        self._sample_count = 0
        self._pre_skip: int | None = None  # granules before the first sample

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples; return the complete pages."""
        self._sample_count += len(samples)
        return self._rewrite(self._encoder.push(samples))

    def flush(self) -> bytes:
        """Return the remaining pages."""
        silence = np.zeros(round(_DELAY_S * self._rate), dtype=np.float32)
        return self._rewrite(self._encoder.push(silence) + self._encoder.flush())

    def _rewrite(self, data: bytes) -> bytes:
        """Set the serial number of whole pages; limit their positions to the last sample."""
        rewritten = bytearray(data)
        for page in _pages(memoryview(rewritten)):
            if self._pre_skip is None:
                self._pre_skip = int.from_bytes(page[_PRE_SKIP], "little")
            end = self._pre_skip + self._sample_count * _GRANULE_RATE // self._rate
            position = min(int.from_bytes(page[_GRANULE_POSITION], "little"), end)
            page[_GRANULE_POSITION] = position.to_bytes(8, "little")
            page[_SERIAL_NUMBER] = _SERIAL.to_bytes(4, "little")
            page[_CHECKSUM] = bytes(4)
            page[_CHECKSUM] = _crc(page).to_bytes(4, "little")
        return bytes(rewritten)


def _pages(data: memoryview) -> Iterator[memoryview]:
    while data:
        segments = data[_HEADER_BYTES : _HEADER_BYTES + data[_SEGMENT_COUNT]]
        size = _HEADER_BYTES + len(segments) + sum(segments)
        yield data[:size]
        data = data[size:]


def _crc(page: memoryview) -> int:
    """Ogg's CRC-32 of a page with an empty checksum field."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFF_FFFF) ^ _CRC_TABLE[value >> 24 ^ byte]
    return value


def _crc_table_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x04C1_1DB7 if value & 0x8000_0000 else 0)
    return value & 0xFFFF_FFFF


_CRC_TABLE = tuple(_crc_table_entry(byte) for byte in range(256))
