"""What a synthesis yields, in order. Values only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.orchestrator.text.markup.items import Mark, Pause
from barkserve.v1 import common_pb2


@dataclass(frozen=True)
class SegmentSamples:
    """The next (n,) float32 samples of a segment, at the checkpoint's rate."""

    utterance: Utterance
    spoken: Spoken  # what the stages have produced so far
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class SegmentEnded:
    """All samples of a segment were yielded."""

    utterance: Utterance
    spoken: Spoken  # complete
    finish_reason: "common_pb2.FinishReason"


@dataclass(frozen=True)
class Silence:
    """The next samples are silent.

    Attributes:
        pause: the pause in the text.
        sample_count: at the checkpoint's rate, whatever the speaking rate.
    """

    pause: Pause
    sample_count: int


@dataclass(frozen=True)
class MarkReached:
    """All samples before a mark outside of segments were yielded."""

    mark: Mark


@dataclass(frozen=True)
class Flushed:
    """All samples of the text before a flush were yielded."""

    flush_id: str


@dataclass(frozen=True)
class SynthesisEnded:
    """All samples were yielded."""

    codec: common_pb2.StageReport


SynthesisEvent = SegmentSamples | SegmentEnded | Silence | MarkReached | Flushed | SynthesisEnded
