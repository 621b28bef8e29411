"""Underruns of a player that starts at the first chunk and buffers nothing.

After an underrun the player is silent until the next chunk arrives and continues from there. The
total silence equals the buffer that would have prevented it: a stream with 80 ms of underrun plays
seamlessly from a buffer of 80 ms.
"""

from collections.abc import Sequence

from barkclient.bench.stream import Arrival

# Sums of floats are not exact: a shorter silence is none.
_TOLERANCE_S = 1e-9


def underrun_s(arrivals: Sequence[Arrival]) -> float:
    """Return the seconds of silence between the first chunk and the end of the last."""
    return sum(silences_s(arrivals))


def silences_s(arrivals: Sequence[Arrival]) -> list[float]:
    """Return the seconds of silence before each chunk. The first is 0."""
    silences = []
    empty_at = arrivals[0].at_s if arrivals else 0.0
    for arrival in arrivals:
        silence = arrival.at_s - empty_at
        silences.append(silence if silence > _TOLERANCE_S else 0.0)
        empty_at = max(empty_at, arrival.at_s) + arrival.audio_s
    return silences


def is_free(arrivals: Sequence[Arrival], allowed_s: float) -> bool:
    """Whether there was audio, with at most `allowed_s` seconds of silence."""
    return bool(arrivals) and underrun_s(arrivals) <= allowed_s + _TOLERANCE_S
