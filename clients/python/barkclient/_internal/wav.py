"""Writes a WAV file while its audio is still being made. Knows samples and bytes, and no server.

The header says at every moment what the file holds, so a reader, a crash or Ctrl-C finds a valid
file. Where one cannot go back (a pipe) the sizes are 0xFFFFFFFF, which players read as "until the
end".
"""

import os
import struct
from contextlib import suppress
from typing import BinaryIO

from barkclient._internal.closing import Closing
from barkclient.options import SAMPLE_BYTES, Encoding

UNKNOWN_SIZE = 0xFFFFFFFF
_FORMAT_PCM = 1
_FORMAT_IEEE_FLOAT = 3


class WavWriter(Closing):
    """A mono WAV file that grows.

    Args:
        file: a path, or a binary file opened for writing, which stays the caller's to close.
        sample_rate: samples a second.
        encoding: of the bytes that `write` takes: "pcm16" or "float32".
        patch_sizes: whether the header is kept up to date; None: if the file can seek.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        sample_rate: int,
        encoding: Encoding = "pcm16",
        *,
        patch_sizes: bool | None = None,
    ) -> None:
        self._owns_file = isinstance(file, str | os.PathLike)
        self._file = open(file, "wb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115
        self._sample_rate = sample_rate
        self._encoding = encoding
        self._patches = self._file.seekable() if patch_sizes is None else patch_sizes
        self._start = self._file.tell() if self._patches else 0
        self._data_bytes = 0
        try:
            self._file.write(self._header())
            self._file.flush()
        except OSError:
            if self._owns_file:  # else Python would try once more, and complain, much later
                with suppress(OSError):
                    self._file.close()
            raise

    @property
    def sample_count(self) -> int:
        """Samples that are in the file."""
        return self._data_bytes // SAMPLE_BYTES[self._encoding]

    def write(self, audio: bytes) -> None:
        """Adds whole samples; then the header says so."""
        self._file.write(audio)
        self._file.flush()  # before the header, which must not promise what is not there
        self._data_bytes += len(audio)
        self._patch_header()

    def close(self) -> None:
        """Leaves a whole file, even if a write was broken off."""
        if self._file.closed:
            return
        try:
            self._patch_header()
        finally:
            if self._owns_file:
                self._file.close()

    def _patch_header(self) -> None:
        if self._patches:
            self._file.seek(self._start)
            self._file.write(self._header())
            self._file.flush()
            self._file.seek(0, os.SEEK_END)

    def _header(self) -> bytes:
        return wav_header(
            self._sample_rate, self._encoding, self._data_bytes if self._patches else None
        )


def wav_header(sample_rate: int, encoding: Encoding, data_bytes: int | None) -> bytes:
    """The bytes before the samples; `data_bytes` None is a length that is not known yet."""
    width = SAMPLE_BYTES[encoding]
    kind = _FORMAT_PCM if encoding == "pcm16" else _FORMAT_IEEE_FLOAT
    fields = struct.pack("<HHIIHH", kind, 1, sample_rate, sample_rate * width, width, 8 * width)
    chunks = _chunk(b"fmt ", fields)
    if kind != _FORMAT_PCM:  # other formats state their extension's size and the sample count
        count = UNKNOWN_SIZE if data_bytes is None else data_bytes // width
        chunks = _chunk(b"fmt ", fields + struct.pack("<H", 0))
        chunks += _chunk(b"fact", struct.pack("<I", min(count, UNKNOWN_SIZE)))
    data_size = riff_size = UNKNOWN_SIZE
    if data_bytes is not None:
        data_size = min(data_bytes, UNKNOWN_SIZE)
        riff_size = min(len(b"WAVE") + len(chunks) + 8 + data_bytes, UNKNOWN_SIZE)
    data = b"data" + struct.pack("<I", data_size)
    return b"RIFF" + struct.pack("<I", riff_size) + b"WAVE" + chunks + data


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body
