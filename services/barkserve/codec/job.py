"""One chunk to decode, its result, and how utterances are cut into chunks."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from barkserve.checkpoint.codec import Codec

_PIECE_FRAMES = 24  # the first chunk of a streamed utterance, 22 frames by default, fits into one


@dataclass(frozen=True)
class DecodeJob:
    """The next frames of one utterance.

    Attributes:
        codes: (T, codebooks) int64.
        state: (S,), the state after the frames before; None at the start.
    """

    codes: NDArray[np.int64]
    state: Tensor | None


@dataclass(frozen=True)
class Decoded:
    """The result of a job.

    Attributes:
        samples: (T * hop_length,) float32.
        state: (S,), for the next frames; None after a piece that is not complete.
    """

    samples: NDArray[np.float32]
    state: Tensor | None


@dataclass(frozen=True)
class JobPlan:
    """How an utterance is cut into jobs.

    A plan without padding decodes frames as they arrive. Rows of one batch have equal lengths.

    A padded plan cuts at multiples of `frames` and pads every job to `frames`. A piece that is not
    complete is decoded again, from the same state, when more of its frames are known. A frame is
    therefore always computed at the same place of the same shape, however the frames arrive: one
    seed gives one waveform. Pieces of all streams share batches, and one graph holds their kernels.

    Attributes:
        frames: most frames of a job.
        first_frames: the minimum of an utterance's first job, unless the utterance is shorter.
        padded: whether jobs are padded to `frames`.
    """

    frames: int
    first_frames: int
    padded: bool

    @classmethod
    def as_they_arrive(cls, codec: Codec) -> "JobPlan":
        """Decode without padding, at most 1 s at a time.

        A stream can be cancelled between jobs, and other streams get their turn.
        """
        return cls(round(codec.frame_rate), codec.first_frames, padded=False)

    @classmethod
    def in_pieces(cls, codec: Codec) -> "JobPlan":
        """Decode in pieces of one length."""
        return cls(max(_PIECE_FRAMES, codec.first_frames), codec.first_frames, padded=True)

    def pads(self, job: DecodeJob) -> bool:
        """Whether a job is padded. The codec pads the start of very short utterances by itself."""
        too_short = job.state is None and len(job.codes) < self.first_frames
        return self.padded and not too_short

    def completes(self, job: DecodeJob) -> bool:
        """Whether the next job begins after this one, and not with the same frames again."""
        return not self.padded or len(job.codes) == self.frames

    def batch_key(self, job: DecodeJob) -> Hashable:
        """Return a key; jobs with equal keys can run in one batch."""
        first = job.state is None
        return (self.frames if self.pads(job) else len(job.codes)), first, self.pads(job)
