"""Encoders of libsndfile (FLAC, Opus, MP3, G.711) that write a stream to memory.

libsndfile writes files: on close, it seeks back and fills in the length. In a stream, those bytes
have been sent already. They keep the value for an unknown length, which all three containers allow.
"""

import os
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from barkserve.orchestrator.audio.pcm import to_pcm16

_SET_OGG_PAGE_LATENCY_MS = 0x1302  # SFC_SET_OGG_PAGE_LATENCY_MS of sndfile.h


@dataclass(frozen=True)
class SndfileFormat:
    """One of libsndfile's encodings.

    Attributes:
        container: libsndfile's name of the container.
        subtype: libsndfile's name of the codec.
        integers: whether the codec takes 16-bit integers; else floats.
        trail_samples: most samples held back, for codecs with a fixed block length in samples.
        trail_s: most seconds held back, for codecs with a fixed block length in time.
        compression: libsndfile's compression level, 0 (least) to 1.
        bitrate_mode: libsndfile's bit rate mode; None for codecs without one.
        page_ms: milliseconds of audio in an Ogg page; None for other containers.
        leading_frame: whether the first frame may be a placeholder for the lengths, without audio.
    """

    container: str
    subtype: str
    integers: bool
    trail_samples: int = 0
    trail_s: float = 0.0
    compression: float | None = None
    bitrate_mode: str | None = None
    page_ms: float | None = None
    leading_frame: bool = False


MULAW = SndfileFormat("RAW", "ULAW", integers=True)
ALAW = SndfileFormat("RAW", "ALAW", integers=True)
FLAC = SndfileFormat("FLAC", "PCM_16", integers=True, trail_samples=1153, compression=0.25)
"""At this level a block has 1152 samples. Higher levels use 4096, which adds latency."""
OGG_OPUS = SndfileFormat("OGG", "OPUS", integers=False, trail_s=0.1, compression=0.85, page_ms=20.0)
MP3 = SndfileFormat(
    "MP3",
    "MPEG_LAYER_III",
    integers=False,
    trail_samples=2257,
    compression=0.6,
    bitrate_mode="CONSTANT",  # players compute time from the bit rate if the length is unknown
    leading_frame=True,
)


class SndfileEncoder:
    """Encodes one stream with libsndfile.

    Args:
        format_: the encoding.
        sample_rate: in Hz; a rate that the codec supports.
    """

    def __init__(self, format_: SndfileFormat, sample_rate: int) -> None:
        self.trail_s = format_.trail_s + format_.trail_samples / sample_rate
        self._integers = format_.integers
        self._at_leading_frame = format_.leading_frame
        self._sink = _AppendOnlyFile()
        self._file = soundfile.SoundFile(
            self._sink,
            "w",
            samplerate=sample_rate,
            channels=1,
            format=format_.container,
            subtype=format_.subtype,
            compression_level=format_.compression,
            bitrate_mode=format_.bitrate_mode,
        )
        if format_.page_ms is not None:
            _set_page_latency(self._file, format_.page_ms)

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples; return the complete frames."""
        self._file.write(to_pcm16(samples) if self._integers else np.clip(samples, -1, 1))
        return self._new_bytes()

    def flush(self) -> bytes:
        """Return the remaining frames and the end of the stream."""
        self._file.close()
        return self._new_bytes()

    def _new_bytes(self) -> bytes:
        data = self._sink.take()
        if self._at_leading_frame and data:
            self._at_leading_frame = False
            return _without_empty_frame(data)
        return data


def _without_empty_frame(data: bytes) -> bytes:
    """MP3 frames without the first, if that is empty: zeros up to the next frame's 0xFF."""
    frame, sync, rest = data[1:].partition(b"\xff")
    return data if any(frame[3:]) else sync + rest


class _AppendOnlyFile:
    """A file object for libsndfile: keeps appended bytes, ignores changes to earlier ones."""

    def __init__(self) -> None:
        self._position = 0
        self._length = 0
        self._new = bytearray()

    def write(self, data: bytes) -> int:
        """Append the part of the data that lies after the end of the file."""
        appended = data[max(0, self._length - self._position) :]
        self._new += appended
        self._length += len(appended)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, as a file does."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """Return the position, as a file does."""
        return self._position

    def take(self) -> bytes:
        """Return the bytes appended since the last call."""
        taken = bytes(self._new)
        self._new.clear()
        return taken


def _set_page_latency(file: soundfile.SoundFile, milliseconds: float) -> None:
    """Make libsndfile write an Ogg page for every so many milliseconds of audio.

    By default it writes one page per second. soundfile has no API for this command.
    """
    value = soundfile._ffi.new("double *", milliseconds)
    soundfile._snd.sf_command(
        file._file, _SET_OGG_PAGE_LATENCY_MS, value, soundfile._ffi.sizeof("double")
    )
