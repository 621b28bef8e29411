"""The range of speaking rates, which all services share."""

from barkserve.errors import InvalidArgument

MIN_SPEAKING_RATE, MAX_SPEAKING_RATE = 0.5, 2.0
"""Slower or faster speech is hard to understand."""


def checked_speaking_rate(rate: float) -> float:
    """Return a speaking rate: 2 is twice as fast as the model speaks.

    Raises:
        InvalidArgument: it is out of range.
    """
    if not MIN_SPEAKING_RATE <= rate <= MAX_SPEAKING_RATE:  # also refuses NaN
        raise InvalidArgument(
            "speaking_rate",
            f"must be {MIN_SPEAKING_RATE:g} to {MAX_SPEAKING_RATE:g}, found {rate:g}",
        )
    return rate
