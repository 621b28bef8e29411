"""Whether a text holds anything to speak; knows no tokenizer, so it can refuse before any stage."""

import unicodedata

NOTE_SIGNS = "♩♪♫♬"  # Suno's sign for singing is the second
_SPOKEN_CATEGORIES = (
    "L",
    "N",
)  # letters and numbers of any script; a cue such as [laughs] is letters too


def speakable(text: str) -> bool:
    """Whether a letter, a digit or a note sign is there; punctuation and emoji are silence."""
    return any(
        sign in NOTE_SIGNS or unicodedata.category(sign)[0] in _SPOKEN_CATEGORIES for sign in text
    )
