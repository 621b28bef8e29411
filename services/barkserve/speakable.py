"""Whether a text holds anything to speak; knows no tokenizer, so it can refuse before any stage."""

import re

NOTE_SIGNS = "♩♪♫♬"  # Suno's sign for singing is the second
_SPOKEN = re.compile(rf"[^\W_]|[{NOTE_SIGNS}]")
"""Letters and numbers of any script, and notes; a cue such as [laughs] is letters too."""


def speakable(text: str) -> bool:
    """Whether a letter, a digit or a note sign is there; punctuation and emoji are silence."""
    return _SPOKEN.search(text) is not None
