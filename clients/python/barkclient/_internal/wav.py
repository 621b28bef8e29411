"""Writes a WAV file while its audio is still being generated.

The header is correct after every write. The file is valid even if the process is killed. In a pipe
the header cannot be updated: its sizes are 0xFFFFFFFF, which players read as "until the end".
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
    """A growing mono WAV file.

    Args:
        file: a path, or a binary file opened for writing. The caller closes the latter.
        sample_rate: in Hz.
        encoding: of the samples, "pcm16" or "float32".
        patch_sizes: whether to update the header; None: if the file is seekable.
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
            if self._owns_file:  # otherwise Python would retry at garbage collection
                with suppress(OSError):
                    self._file.close()
            raise

    @property
    def sample_count(self) -> int:
        """Number of samples in the file."""
        return self._data_bytes // SAMPLE_BYTES[self._encoding]

    def write(self, audio: bytes) -> None:
        """Append whole samples and update the header."""
        self._file.write(audio)
        self._file.flush()  # the header must not count audio that is not in the file
        self._data_bytes += len(audio)
        self._patch_header()

    def close(self) -> None:
        """Update the header, even after a failed write. Close the file if it was opened here."""
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
    """Build the bytes before the samples. `data_bytes` is None if the length is unknown."""
    width = SAMPLE_BYTES[encoding]
    kind = _FORMAT_PCM if encoding == "pcm16" else _FORMAT_IEEE_FLOAT
    fields = struct.pack("<HHIIHH", kind, 1, sample_rate, sample_rate * width, width, 8 * width)
    chunks = _chunk(b"fmt ", fields)
    if kind != _FORMAT_PCM:  # other formats need an extension size and a fact chunk
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
