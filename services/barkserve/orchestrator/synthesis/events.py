"""What comes of speaking a text, in order. Values only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.v1 import common_pb2


@dataclass(frozen=True)
class SegmentSamples:
    """The next (n,) float32 samples of a piece, at the checkpoint's rate."""

    utterance: Utterance
    spoken: Spoken  # as far as the stages are
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class SegmentEnded:
    """All samples of a piece have come."""

    utterance: Utterance
    spoken: Spoken  # complete


@dataclass(frozen=True)
class Flushed:
    """All samples of the text before a flush have come."""

    flush_id: str


@dataclass(frozen=True)
class SynthesisEnded:
    """All samples have come."""

    codec: common_pb2.StageReport


SynthesisEvent = SegmentSamples | SegmentEnded | Flushed | SynthesisEnded
