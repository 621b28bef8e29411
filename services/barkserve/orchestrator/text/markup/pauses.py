"""Reads how long a pause is asked to be."""

import re
from collections.abc import Mapping

MAX_PAUSE_S = 10.0
"""The longest pause."""

LINE_GAP_S = 0.3
"""Silence between the lines of a list or a table."""
PARAGRAPH_GAP_S = 0.5
"""Silence after a paragraph of SSML or a heading."""

STRENGTHS: Mapping[str, float] = {
    "none": 0.0,
    "x-weak": 0.1,
    "weak": 0.2,
    "medium": 0.4,
    "strong": 0.7,
    "x-strong": 1.2,
}
"""Seconds of a pause whose strength is given. SSML leaves them to the server."""

_TIME = re.compile(r"\+?(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(ms|s)", re.IGNORECASE | re.ASCII)


def parse_seconds(time: str) -> float:
    """Return the seconds of a time such as "1.5s" or "250ms".

    Raises:
        ValueError: it is not a time, or longer than MAX_PAUSE_S.
    """
    match = _TIME.fullmatch(time.strip())
    if match is None:
        raise ValueError(f'a pause must have a time such as "1s" or "250ms", found {time[:32]!r}')
    seconds = float(match[1]) / (1000 if match[2].lower() == "ms" else 1)
    if seconds > MAX_PAUSE_S:
        raise ValueError(f"a pause must be at most {MAX_PAUSE_S:g} s, found {time[:32]}")
    return seconds


def parse_break(time: str | None, strength: str | None) -> float:
    """Return the seconds of an element `break`.

    Raises:
        ValueError: an attribute is wrong.
    """
    if time is not None:
        return parse_seconds(time)
    strength = strength or "medium"
    if strength not in STRENGTHS:
        raise ValueError(f"strength must be one of {', '.join(STRENGTHS)}, found {strength[:32]!r}")
    return STRENGTHS[strength]
