"""The windows of the fine stage, offline and while streaming.

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
        fill_from: the first frame that it fills, counted with the history.
    """

    start: int
    fill_from: int


@dataclass(frozen=True)
class FineGeometry:
    """A checkpoint's window sizes, in frames."""

    length: int  # of every window, 1024 for Suno's
    hop: int  # between windows, and most history frames: 512 for Suno's

    @classmethod
    def from_config(cls, generation: FineGeneration) -> "FineGeometry":
        """Read the geometry from a checkpoint's config."""
        return cls(generation.max_fine_input_length, generation.max_fine_history_length)

    @property
    def max_new_frames(self) -> int:
        """Number of frames that every window can fill after the longest history."""
        return self.length - self.hop

    def windows(self, history: int, frames: int) -> list[Window]:
        """List the passes that fill `frames` frames after `history` frames of a voice."""
        total = max(history + frames, self.length)  # padded to at least one window
        loops = max(0, -((self.length - history - frames) // self.hop)) + 1
        return [
            Window(
                start=min(index * self.hop, total - self.length),
                fill_from=min(history + index * self.hop, total - self.hop),
            )
            for index in range(loops)
        ]

    def windows_beyond(self, history: int, frames: int, known: int) -> list[Window]:
        """List the passes that fill any frame after the first `known` ones of the utterance."""
        return [w for w in self.windows(history, frames) if w.start + self.length > history + known]


@dataclass(frozen=True)
class ChunkPlan:
    """When a streaming utterance is filled: a function of frame counts, not of arrival times.

    A chunk costs at least one window, no matter how few frames it releases. Therefore chunks grow.
    Let r be the real-time factor and S(k) the length of the first k chunks. Chunk k+1 is ready
    (S(k+1) - S(1)) * r after the first chunk, and the player needs it at S(k). If each chunk is
    `growth` times as long as the one before, S(k+1) - S(1) = growth * S(k). So there is no underrun
    while r < 1 / growth. A lookahead delays all chunks by the same time.

    Attributes:
        first: frames that the first chunk releases.
        growth: ratio of the lengths of successive chunks, at least 1.
        most: most frames that a later chunk releases.
        lookahead: known frames to the right of a released frame, unless the utterance ends.
    """

    first: int
    growth: float
    most: int
    lookahead: int

    def fills(self) -> Iterator[int]:
        """Yield the numbers of known frames at which the utterance is filled.

        Each fill treats the utterance as if it ended there.
        """
        frames = self.first + self.lookahead
        chunk = float(self.first)
        while True:
            yield frames
            chunk = min(chunk * self.growth, self.most)
            frames += int(chunk)
