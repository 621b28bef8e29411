"""One piece of text on its way to being spoken, and what has been said of it. Values only."""

from dataclasses import dataclass, field

from barkserve.constants import StageName
from barkserve.orchestrator.synthesis.plan import Plan
from barkserve.orchestrator.text.segmenter import Segment
from barkserve.v1 import common_pb2


@dataclass(frozen=True)
class Utterance:
    """What to speak.

    Attributes:
        plan: the request that it is part of.
        piece: the text, and where it stands.
        index: how many pieces of the request were spoken before.
        redraw: how often the piece was drawn before.
        seed: of the draws.
        max_tokens: most semantic tokens; 0: the checkpoint's most.
        max_tail_tokens: those that may speak its last letter, where that is known; 0: any number.
    """

    plan: Plan
    segment: Segment
    index: int
    redraw: int
    seed: int
    max_tokens: int
    max_tail_tokens: int


@dataclass
class Spoken:
    """What the stages that draw have said of an utterance; complete once its samples have ended."""

    semantic: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)  # of the piece; one a token, or none
    coarse: list[int] = field(default_factory=list)  # frame by frame
    fine: list[int] = field(default_factory=list)  # frame by frame
    finish_reason: "common_pb2.FinishReason" = common_pb2.FINISH_REASON_UNSPECIFIED
    reports: dict[StageName, common_pb2.StageReport] = field(default_factory=dict)
