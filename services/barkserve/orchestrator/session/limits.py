"""The limits that the server sets for all sessions. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The server's limits.

    Attributes:
        max_text_characters: of a Synthesize text, or of all text of a context.
        max_contexts: open at once in one StreamingSynthesize call.
        max_seconds_per_character: the default limit of a segment's duration, see `Tail`.
    """

    max_text_characters: int
    max_contexts: int
    max_seconds_per_character: float
