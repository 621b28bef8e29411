"""What one Bark generation speaks, and what the stages have produced of it. Values only."""

from dataclasses import dataclass, field

from barkserve.constants import StageName
from barkserve.orchestrator.synthesis.plan import Plan
from barkserve.orchestrator.text.lexicon import Reading
from barkserve.orchestrator.text.segment import Segment
from barkserve.speaking_rate import MAX_SPEAKING_RATE, MIN_SPEAKING_RATE
from barkserve.v1 import common_pb2


@dataclass(frozen=True)
class Utterance:
    """What to speak.

    Attributes:
        plan: how to speak.
        segment: the text, and its place in the whole text.
        reading: the text as it is read, with the words of the lexicons replaced.
        index: how many segments of the request were spoken before.
        redraw: how often the segment was drawn before.
        seed: of the sampling.
        max_tokens: limit of semantic tokens; 0 for the checkpoint's.
        max_tail_tokens: limit of semantic tokens for the last letter, where alignment tells it; 0
            for no limit.
    """

    plan: Plan
    segment: Segment
    reading: Reading
    index: int
    redraw: int
    seed: int
    max_tokens: int
    max_tail_tokens: int

    @property
    def speaking_rate(self) -> float:
        """Speed of the speech; 1 is the natural pace."""
        rate = self.plan.speaking_rate * self.segment.style.rate
        return min(max(rate, MIN_SPEAKING_RATE), MAX_SPEAKING_RATE)


@dataclass
class OutputTimes:
    """When the first and the last output of a stage arrived, in the event loop's time."""

    first_s: float
    last_s: float


@dataclass
class Spoken:
    """What the stages have produced of an utterance; complete once its samples have ended.

    Attributes:
        semantic: tokens.
        characters: for each token, the character of the segment that it speaks; empty without
            alignment.
        coarse: codes of the coarse codebooks, frame by frame.
        fine: codes of all codebooks, frame by frame.
        finish_reason: why the semantic stage ended.
        skipped: parts of the segment that the checkpoint passed over, first and last + 1 character.
        reports: one of each stage that has finished, without the codec's.
        output_times: of each stage with an output, without the codec's.
    """

    semantic: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    coarse: list[int] = field(default_factory=list)
    fine: list[int] = field(default_factory=list)
    finish_reason: "common_pb2.FinishReason" = common_pb2.FINISH_REASON_UNSPECIFIED
    skipped: list[tuple[int, int]] = field(default_factory=list)
    reports: dict[StageName, common_pb2.StageReport] = field(default_factory=dict)
    output_times: dict[StageName, OutputTimes] = field(default_factory=dict)

    def arrived(self, stage: StageName, now_s: float) -> None:
        """Note that an output of a stage arrived."""
        self.output_times.setdefault(stage, OutputTimes(now_s, now_s)).last_s = now_s
