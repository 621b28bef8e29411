"""How a segment may end: its longest duration, its silence and its redraws. Pure arithmetic.

A model that repeats words can go on after the end of its text. The limit of the duration ends it.
"""

import math
import re
from dataclasses import dataclass

from barkserve.checkpoint.bark_config import BarkConfig, SemanticGeneration
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.budget import Budget
from barkserve.speakable import NOTE_SIGNS
from barkserve.v1 import speech_pb2

EXTRA_S = 2.0
"""Seconds that a segment may take beyond what its characters allow.

Also the longest last sound where the alignment head had to be guessed.
"""

LAST_SOUND_S = 0.7
"""The longest last sound where the checkpoint names its alignment head."""

MAX_SECONDS = 10.0
MAX_REDRAWS = 3
_OPEN_ENDED = re.compile(
    rf"\[[^\[\]]*\]|[{NOTE_SIGNS}]"
)  # laughter and song have no typical duration


@dataclass(frozen=True)
class Tail:
    """How the segments of a request end.

    Attributes:
        max_seconds_per_character: limits a segment's duration, in addition to EXTRA_S; 0 for no
            limit. A digit or sign counts as the letters of its reading.
        max_silence_seconds: silence kept at a segment's end; None keeps all.
        max_redraws: how often a segment that failed is drawn again.
    """

    max_seconds_per_character: float
    max_silence_seconds: float | None
    max_redraws: int

    def max_tokens(
        self, text: str, budget: Budget, requested: int, generation: SemanticGeneration
    ) -> int:
        """The token limit of a segment.

        Args:
            text: the segment's.
            budget: counts its letters.
            requested: the request's limit; 0 for the checkpoint's.
            generation: the checkpoint's.

        Returns:
            Tokens; 0 for the checkpoint's limit.
        """
        if self.max_seconds_per_character == 0 or _OPEN_ENDED.search(text):
            return requested
        seconds = EXTRA_S + self.max_seconds_per_character * budget.cost(text)
        most = math.ceil(seconds * generation.semantic_rate_hz)
        return most if most < (requested or generation.max_new_tokens) else requested

    def max_tail_tokens(self, config: BarkConfig, *, word_times: bool) -> int:
        """The token limit of the last sound, which alignment finds; 0 for no limit.

        A checkpoint that names its alignment head always has one.

        Args:
            config: the checkpoint's.
            word_times: whether the request asks for alignment, with any checkpoint.
        """
        known = config.alignment_head is not None
        if self.max_seconds_per_character == 0 or not (known or word_times):
            return 0
        seconds = LAST_SOUND_S if known else EXTRA_S
        return round(seconds * config.semantic_generation.semantic_rate_hz)


def resolve_tail(
    options: speech_pb2.TailOptions, max_seconds_per_character: float, *, exact: bool
) -> Tail:
    """Check the options and resolve their defaults.

    Args:
        options: the request's.
        max_seconds_per_character: the server's default.
        exact: whether the speech must equal that of transformers, which has no limit by the text.
            The default then applies to requests with redraws only.

    Raises:
        InvalidArgument: an option is not valid; names the field.
    """
    if options.HasField("max_seconds_per_character"):
        max_seconds_per_character = _seconds(options, "max_seconds_per_character")
    elif exact and not options.max_redraws:
        max_seconds_per_character = 0.0
    silence = None
    if options.HasField("max_silence_seconds"):
        silence = _seconds(options, "max_silence_seconds")
    if not 0 <= options.max_redraws <= MAX_REDRAWS:
        raise InvalidArgument("tail.max_redraws", f"must be 0 to {MAX_REDRAWS}")
    return Tail(max_seconds_per_character, silence, options.max_redraws)


def _seconds(options: speech_pb2.TailOptions, field: str) -> float:
    value = float(getattr(options, field))
    if not 0 <= value <= MAX_SECONDS:  # also refuses NaN
        raise InvalidArgument(f"tail.{field}", f"must be 0 to {MAX_SECONDS:g}")
    return value
