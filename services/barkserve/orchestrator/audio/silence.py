"""Trims the silence at the end of a segment while the segment streams.

Loudness is measured in frames that start at the beginning of the segment, so the output does not
depend on how the input is split. Sound is passed on at once. Silence beyond the allowed length is
held until sound follows it.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FLOOR = 10 ** (-55 / 20)
"""A frame with an RMS below this fraction of full scale is silent."""
BELOW_LOUDEST = 10 ** (-40 / 20)
"""A frame is also silent below this fraction of the loudest frame before it."""
HANGOVER = 8
"""Frames after a sound that still belong to it: 0.1 s at 75 frames/s, while consonants fade out."""
SOUND = 3
"""Consecutive loud frames that make a sound. Fewer are a click."""


class SilenceTrimmer:
    """Trims one segment.

    Args:
        sample_rate: in Hz.
        frame_size: samples of a codec frame, in which loudness is measured.
        keep_seconds: silence to keep at the end; None: all of it.

    Attributes:
        has_sound: whether the samples so far contain a sound.
    """

    def __init__(self, sample_rate: int, frame_size: int, keep_seconds: float | None) -> None:
        self._frame_size = frame_size
        self._keep = None if keep_seconds is None else round(keep_seconds * sample_rate)
        self._held = np.zeros(0, dtype=np.float32)
        self._released = 0  # samples
        self._partial_frame = np.zeros(0, dtype=np.float32)
        self._frame_count = 0
        self._sound_end = 0  # the number of frames up to the last loud one, included
        self._loudest = 0.0  # RMS
        self._loud_run = 0  # consecutive loud frames
        self.has_sound = False

    def push(self, samples: Samples) -> Samples:
        """Add (n,) samples; return those that can be sent."""
        self._measure(samples)
        self._held = np.concatenate((self._held, samples))
        return self._release()

    def flush(self) -> Samples:
        """End the segment; return the last samples to send."""
        if len(self._partial_frame):
            self._measure_frame(self._partial_frame)
        released = self._release()
        self._held = self._held[:0]
        return released

    def _measure(self, samples: Samples) -> None:
        joined = np.concatenate((self._partial_frame, samples))
        count = len(joined) // self._frame_size
        for frame in joined[: count * self._frame_size].reshape(count, self._frame_size):
            self._measure_frame(frame)
        self._partial_frame = joined[count * self._frame_size :]

    def _measure_frame(self, frame: Samples) -> None:
        rms = float(np.sqrt(np.mean(np.square(frame, dtype=np.float64))))
        self._frame_count += 1
        if rms <= max(FLOOR, self._loudest * BELOW_LOUDEST):
            self._loud_run = 0
            return
        self._loudest = max(self._loudest, rms)
        self._sound_end = self._frame_count
        self._loud_run += 1
        self.has_sound = self.has_sound or self._loud_run >= SOUND

    def _release(self) -> Samples:
        """Remove the held samples up to the end of the silence to keep after the last sound."""
        count = len(self._held)
        if self._keep is not None:
            frames = self._sound_end + HANGOVER if self._sound_end else 0
            end = frames * self._frame_size + self._keep
            count = min(count, max(0, end - self._released))
        released, self._held = self._held[:count], self._held[count:]
        self._released += count
        return released
