"""Decides whether a text holds anything to speak, without a tokenizer."""

import re

NOTE_SIGNS = "♩♪♫♬"  # Suno's mark for singing is the second
_SPOKEN = re.compile(rf"[^\W_]|[{NOTE_SIGNS}]")
"""Letters and numbers of any script, also those of a cue such as [laughs], and note signs."""


def speakable(text: str) -> bool:
    """Return whether a text has a letter, digit or note sign; punctuation and emoji are silent."""
    return _SPOKEN.search(text) is not None
