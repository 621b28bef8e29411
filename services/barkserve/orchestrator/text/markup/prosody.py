"""Reads the rate and the volume of SSML's `prosody`."""

import re
from collections.abc import Mapping

from barkserve.speaking_rate import MAX_SPEAKING_RATE, MIN_SPEAKING_RATE

MAX_GAIN_DB = 40.0
SILENT_DB = -120.0
"""The gain of the volume "silent"."""

_RATES: Mapping[str, float] = {
    "default": 1.0, "x-slow": 0.5, "slow": 0.8, "medium": 1.0, "fast": 1.25, "x-fast": 1.75,
}  # fmt: skip
_GAINS_DB: Mapping[str, float] = {
    "default": 0.0, "silent": SILENT_DB, "x-soft": -12.0, "soft": -6.0, "medium": 0.0, "loud": 6.0,
    "x-loud": 12.0,
}  # fmt: skip
_NUMBER = r"(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})"
_PERCENT = re.compile(rf"([+-]?){_NUMBER}%", re.ASCII)
_FACTOR = re.compile(_NUMBER, re.ASCII)
_DECIBELS = re.compile(rf"([+-]?){_NUMBER}dB", re.ASCII | re.IGNORECASE)


def parse_rate(value: str) -> float | None:
    """Return the factor of the speaking rate, within its limits; None for an unknown value.

    "150%", "+50%", "1.5" and "fast" are forms of it.
    """
    rate = _RATES.get(value)
    if match := _PERCENT.fullmatch(value):
        percent = float(match[2]) * (-1 if match[1] == "-" else 1)
        rate = (100 + percent if match[1] else percent) / 100
    elif match := _FACTOR.fullmatch(value):
        rate = float(match[1])
    return None if rate is None else min(max(rate, MIN_SPEAKING_RATE), MAX_SPEAKING_RATE)


def parse_volume(value: str, before_db: float) -> float | None:
    """Return the gain in decibels, within its limits; None for an unknown value.

    Args:
        value: "+6dB", which is relative to the gain before, or "loud".
        before_db: the gain of the text around it.
    """
    if match := _DECIBELS.fullmatch(value):
        change = float(match[2]) * (-1 if match[1] == "-" else 1)
        return min(max(before_db + change, -MAX_GAIN_DB), MAX_GAIN_DB)
    return _GAINS_DB.get(value)
