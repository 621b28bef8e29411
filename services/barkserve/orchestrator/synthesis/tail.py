"""What may come behind the end of a piece's text, in tokens. Pure arithmetic; knows no stages."""

import math
import re
from dataclasses import dataclass

from barkserve.checkpoint.bark_config import SemanticGeneration
from barkserve.errors import InvalidArgument
from barkserve.speakable import NOTE_SIGNS
from barkserve.v1 import speech_pb2

EXTRA_S = 2.0
"""Every piece may take so much longer than its characters allow, and so long may its last sound
be drawn out."""

MAX_SECONDS = 10.0
MAX_REDRAWS = 3
_OPEN_ENDED = re.compile(rf"\[[^\]]*\]|[{NOTE_SIGNS}]")  # laughter and song take what they take


@dataclass(frozen=True)
class Tail:
    """How a request wants its pieces to end.

    Attributes:
        max_seconds_per_character: of a piece, EXTRA_S not counted; 0 for no limit.
        max_silence_seconds: kept at the end of a piece; None keeps all.
        max_redraws: how often a piece that failed is drawn anew.
    """

    max_seconds_per_character: float
    max_silence_seconds: float | None
    max_redraws: int

    def max_tokens(self, text: str, asked: int, generation: SemanticGeneration) -> int:
        """Most tokens for a piece of text; `asked` are what the request allows. 0: the
        checkpoint's most.
        """
        if self.max_seconds_per_character == 0 or _OPEN_ENDED.search(text):
            return asked
        seconds = EXTRA_S + self.max_seconds_per_character * len(text)
        most = math.ceil(seconds * generation.semantic_rate_hz)
        return most if most < (asked or generation.max_new_tokens) else asked

    def max_tail_tokens(self, generation: SemanticGeneration) -> int:
        """Tokens that the last sound may take where that is known; 0: any number."""
        limited = self.max_seconds_per_character > 0
        return round(EXTRA_S * generation.semantic_rate_hz) if limited else 0


def resolve_tail(options: speech_pb2.TailOptions, max_seconds_per_character: float) -> Tail:
    """The options, checked, and the server's default where they say nothing. Raises InvalidArgument
    naming the field.
    """
    if options.HasField("max_seconds_per_character"):
        max_seconds_per_character = _seconds(options, "max_seconds_per_character")
    silence = None
    if options.HasField("max_silence_seconds"):
        silence = _seconds(options, "max_silence_seconds")
    if not 0 <= options.max_redraws <= MAX_REDRAWS:
        raise InvalidArgument("tail.max_redraws", f"must be 0 to {MAX_REDRAWS}")
    return Tail(max_seconds_per_character, silence, options.max_redraws)


def _seconds(options: speech_pb2.TailOptions, field: str) -> float:
    value = float(getattr(options, field))
    if not 0 <= value <= MAX_SECONDS:  # refuses NaN too
        raise InvalidArgument(f"tail.{field}", f"must be 0 to {MAX_SECONDS:g}")
    return value
