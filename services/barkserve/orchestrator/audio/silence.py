"""Cuts the silence behind a piece's last sound, while it streams. Knows samples only.

Loudness is judged frame by frame on a grid that starts with the piece, so any chunking of it gives
the same samples. Sound leaves at once; silence beyond what is kept waits until sound follows it.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAMES_A_SECOND = 75  # the codec's: no chunk ends inside a frame
FLOOR = 10 ** (-55 / 20)
"""RMS below which a frame is silent, of full scale."""
BELOW_LOUDEST = 10 ** (-40 / 20)
"""A frame is silent, too, that is so much quieter than the loudest before it."""
HANGOVER = 8
"""Frames behind a sound that still belong to it: 0.1 s, in which consonants die away."""
SOUND = 3
"""Loud frames in a row that make a sound: less is a click."""


class SilenceTrimmer:
    """One piece.

    Args:
        sample_rate: of the samples.
        keep_seconds: silence that stays at the end; None: all of it.
    """

    def __init__(self, sample_rate: int, keep_seconds: float | None) -> None:
        self._frame = sample_rate // FRAMES_A_SECOND
        self._keep = None if keep_seconds is None else round(keep_seconds * sample_rate)
        self._held = np.zeros(0, dtype=np.float32)
        self._released = 0
        self._open = np.zeros(0, dtype=np.float32)  # the frame that is not complete
        self._frames = 0
        self._last_loud = 0  # behind the last loud frame, in frames
        self._loudest = 0.0
        self._run = 0
        self.has_sound = False
        """Whether there has been any sound."""

    def push(self, samples: Samples) -> Samples:
        """The next (n,) samples; returns those that may leave."""
        self._listen(samples)
        self._held = np.concatenate((self._held, samples))
        return self._release()

    def flush(self) -> Samples:
        """There are no more; returns the last that stay."""
        if len(self._open):
            self._judge(self._open)
        released = self._release()
        self._held = self._held[:0]
        return released

    def _listen(self, samples: Samples) -> None:
        whole = np.concatenate((self._open, samples))
        count = len(whole) // self._frame
        for frame in whole[: count * self._frame].reshape(count, self._frame):
            self._judge(frame)
        self._open = whole[count * self._frame :]

    def _judge(self, frame: Samples) -> None:
        loudness = float(np.sqrt(np.mean(np.square(frame, dtype=np.float64))))
        self._frames += 1
        if loudness <= max(FLOOR, self._loudest * BELOW_LOUDEST):
            self._run = 0
            return
        self._loudest = max(self._loudest, loudness)
        self._last_loud = self._frames
        self._run += 1
        self.has_sound = self.has_sound or self._run >= SOUND

    def _release(self) -> Samples:
        """Everything up to the end of what is kept behind the last sound."""
        sure = len(self._held)
        if self._keep is not None:
            sounding = self._last_loud + HANGOVER if self._last_loud else 0
            sure = min(sure, max(0, sounding * self._frame + self._keep - self._released))
        released, self._held = self._held[:sure], self._held[sure:]
        self._released += sure
        return released
