"""Encoders that are libsndfile's (libFLAC, libopus, LAME, G.711), writing to memory while the audio
comes.

libsndfile writes files: when it closes one it goes back and fills in its length. Of a stream those
bytes are gone, so they stay what they were: lengths that are not known, which all three containers
allow.
"""

import os
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from barkserve.orchestrator.audio.pcm import to_pcm16

_SET_OGG_PAGE_LATENCY_MS = 0x1302  # of libsndfile's commands, as in its sndfile.h


@dataclass(frozen=True)
class Codec:
    """One of libsndfile's encodings.

    Attributes:
        container, subtype: libsndfile's names.
        integers: whether it takes 16-bit integers; else floats.
        trail_samples: most samples that it holds back, where that does not depend on the rate.
        trail_s: most seconds that it holds back, where that does not depend on the rate.
        compression: libsndfile's level, 0 (least) to 1.
        bitrate_mode: libsndfile's name of it; None for codecs that have none.
        page_ms: milliseconds of audio in an Ogg page; None for other containers.
        leading_frame: whether the first frame may be a place for lengths, and no audio.
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


MULAW = Codec("RAW", "ULAW", integers=True)
ALAW = Codec("RAW", "ALAW", integers=True)
FLAC = Codec("FLAC", "PCM_16", integers=True, trail_samples=1153, compression=0.25)
"""At this level a block is 1152 samples; at higher ones it would be 4096, and late."""
OGG_OPUS = Codec("OGG", "OPUS", integers=False, trail_s=0.1, compression=0.85, page_ms=20.0)
MP3 = Codec(
    "MP3",
    "MPEG_LAYER_III",
    integers=False,
    trail_samples=2257,
    compression=0.6,
    bitrate_mode="CONSTANT",  # a stream without lengths is timed by its bit rate
    leading_frame=True,
)


class CodecEncoder:
    """A stream of one codec.

    Args:
        codec: which.
        sample_rate: samples a second; one that the codec takes.
    """

    def __init__(self, codec: Codec, sample_rate: int) -> None:
        self.trail_s = codec.trail_s + codec.trail_samples / sample_rate
        self._codec = codec
        self._sink = _Sink()
        self._leading = codec.leading_frame
        self._file = soundfile.SoundFile(
            self._sink,
            "w",
            samplerate=sample_rate,
            channels=1,
            format=codec.container,
            subtype=codec.subtype,
            compression_level=codec.compression,
            bitrate_mode=codec.bitrate_mode,
        )
        if codec.page_ms is not None:
            _set_page_latency(self._file, codec.page_ms)

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples; returns the frames that are complete."""
        self._file.write(to_pcm16(samples) if self._codec.integers else np.clip(samples, -1, 1))
        return self._take()

    def flush(self) -> bytes:
        """The frames of all that is held, and the end of the stream."""
        self._file.close()
        return self._take()

    def _take(self) -> bytes:
        data = self._sink.take()
        if self._leading and data:
            self._leading = False
            return _without_empty_frame(data)
        return data


def _without_empty_frame(data: bytes) -> bytes:
    """MP3 frames less the first, if that holds nothing: zeros up to the next frame's 0xFF."""
    frame, sync, rest = data[1:].partition(b"\xff")
    return data if any(frame[3:]) else sync + rest


class _Sink:
    """What libsndfile takes for a file: keeps what is appended until it is taken, and nothing that
    would change what was there.
    """

    def __init__(self) -> None:
        self._position = 0
        self._length = 0
        self._new = bytearray()

    def write(self, data: bytes) -> int:
        """Append; what lies before the end is dropped."""
        fresh = data[max(0, self._length - self._position) :]
        self._new += fresh
        self._length += len(fresh)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """As of a file."""
        return self._position

    def take(self) -> bytes:
        """What was appended since the last time."""
        taken = bytes(self._new)
        self._new.clear()
        return taken


def _set_page_latency(file: soundfile.SoundFile, milliseconds: float) -> None:
    """Have an Ogg page written as soon as it holds that much: libsndfile would wait for a second,
    and soundfile has no word of its own for this command.
    """
    value = soundfile._ffi.new("double *", milliseconds)
    soundfile._snd.sf_command(
        file._file, _SET_OGG_PAGE_LATENCY_MS, value, soundfile._ffi.sizeof("double")
    )
