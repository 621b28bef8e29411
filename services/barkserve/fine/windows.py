"""Which windows fill which frames of the fine stage, offline and while streaming. Pure arithmetic.

Source of the offline loops: transformers BarkFineModel.generate.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from barkserve.checkpoint.bark_config import FineGeneration


@dataclass(frozen=True)
class Window:
    """One pass over the codebooks.

    Attributes:
        start: its first frame, counted with the history.
        fill_from: the first frame, counted with the history, whose codes it decides.
    """

    start: int
    fill_from: int


@dataclass(frozen=True)
class FineGeometry:
    """The numbers of a checkpoint that windows are made of, in frames."""

    length: int  # of every window, 1024 for Suno's
    hop: int  # between windows, and most history frames: 512 for Suno's

    @classmethod
    def from_config(cls, generation: FineGeneration) -> "FineGeometry":
        """The geometry of a checkpoint."""
        return cls(generation.max_fine_input_length, generation.max_fine_history_length)

    @property
    def max_new_frames(self) -> int:
        """Frames that every window decides, however long the history."""
        return self.length - self.hop

    def windows(self, history: int, frames: int) -> list[Window]:
        """The passes that fill an utterance of `frames` frames behind `history` frames of voice."""
        total = max(history + frames, self.length)  # short ones are padded to one window
        loops = max(0, -((self.length - history - frames) // self.hop)) + 1
        return [
            Window(
                start=min(index * self.hop, total - self.length),
                fill_from=min(history + index * self.hop, total - self.hop),
            )
            for index in range(loops)
        ]

    def windows_beyond(self, history: int, frames: int, known: int) -> list[Window]:
        """Those of windows() that decide any frame after the first `known` ones of the
        utterance.
        """
        return [w for w in self.windows(history, frames) if w.start + self.length > history + known]


@dataclass(frozen=True)
class ChunkPlan:
    """When a streaming utterance is filled, a pure function of frame counts, never of arrival
    times.

    Every chunk costs at least a whole window, however few frames it releases: so they grow. While a
    second of audio takes r seconds to make, a listener who has heard nothing but the chunks up to
    the k-th waits for the next until (S(k+1) - S(1)) * r behind the first, S(k) being their sum,
    and has until S(k). With chunks that are each `growth` times the one before, S(k+1) - S(1) is
    growth * S(k): nobody runs dry while r < 1 / growth. A look-ahead shifts all of them alike.

    Attributes:
        first: frames released by the first chunk.
        growth: how many times longer each chunk is than the one before, 1 at least.
        most: frames released by a later one, at most.
        lookahead: frames that a released frame has to its right, unless the utterance ends.
    """

    first: int
    growth: float
    most: int
    lookahead: int

    def fills(self) -> Iterator[int]:
        """Numbers of known frames at which the utterance is filled: each time as if it ended
        there.
        """
        frames = self.first + self.lookahead
        chunk = float(self.first)
        while True:
            yield frames
            chunk = min(chunk * self.growth, self.most)
            frames += int(chunk)
