"""What the public service refuses beyond, and where it ends a speech. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one call where nothing else is said.

    Attributes:
        max_text_characters: of a Synthesize text, or of a context's text in all.
        max_contexts: open at once in one StreamingSynthesize call.
        max_seconds_per_character: of a piece of text, 2 s not counted, unless a request says
            otherwise; 0 for no limit.
    """

    max_text_characters: int
    max_contexts: int
    max_seconds_per_character: float
