"""One chunk to decode, and its result: what the generator and the decoder exchange."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from barkserve.checkpoint.codec import Codec
from barkserve.engine.graphs import bucket_size

_MIN_PADDED_FRAMES = 16  # decoding fewer frames takes about as long


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
        state: (S,), for the next frames.
    """

    samples: NDArray[np.float32]
    state: Tensor


def max_job_frames(codec: Codec) -> int:
    """Return the most frames of one job: 1 s of audio.

    A stream can be cancelled between jobs, and other streams get their turn.
    """
    return round(codec.frame_rate)


def padded_frames(frames: int, max_frames: int) -> int:
    """Return the length to which a job that is not an utterance's first is padded."""
    return max(_MIN_PADDED_FRAMES, bucket_size(frames, max(frames, max_frames)))


def batch_key(job: DecodeJob, max_frames: int) -> tuple[int, bool]:
    """Return a key; jobs with equal keys can run in one batch.

    First jobs of utterances share a key if they have the same length. Later jobs do if none is
    padded to more than twice its length, or to more than a few frames.
    """
    first = job.state is None
    frames = len(job.codes)
    return frames if first else padded_frames(frames, max_frames), first
