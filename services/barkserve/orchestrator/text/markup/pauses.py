"""Reads how long a pause is asked to be. A pause is never refused: its text may be half spoken."""

import re
from collections.abc import Callable, Mapping

MAX_PAUSE_S = 10.0
"""The longest pause. A longer one is cut to it."""

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


def read_break(attributes: Mapping[str, str], warn: Callable[[str], None]) -> float:
    """Return the seconds of an element `break`.

    Args:
        attributes: `time` ("1.5s" or "250ms") comes before `strength`.
        warn: called if an attribute has no effect, or less than it asks for.
    """
    if "time" in attributes:
        match = _TIME.fullmatch(attributes["time"].strip())
        if match:
            seconds = float(match[1]) / (1000 if match[2].lower() == "ms" else 1)
            if seconds > MAX_PAUSE_S:
                warn(f"a pause is cut to {MAX_PAUSE_S:g} s, the longest one")
            return min(seconds, MAX_PAUSE_S)
        warn('a pause has another time than it asks for: write a time such as "1s" or "250ms"')
    strength = attributes.get("strength", "medium")
    if strength not in STRENGTHS:
        warn(f"the strength of a pause has no effect: it must be one of {', '.join(STRENGTHS)}")
    return STRENGTHS.get(strength, STRENGTHS["medium"])
