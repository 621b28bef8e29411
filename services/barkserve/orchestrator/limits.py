"""What the public service refuses beyond. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one call where nothing else is said.

    Attributes:
        max_text_characters: of a Synthesize text, or of a context's text in all.
        max_contexts: open at once in one StreamingSynthesize call.
        max_streams: texts and contexts that the server speaks at once.
    """

    max_text_characters: int
    max_contexts: int
    max_streams: int
