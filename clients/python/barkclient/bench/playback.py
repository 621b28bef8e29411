"""Underrun arithmetic: what a listener hears whose player starts at the first chunk.

The player holds nothing back. When it runs dry it is silent until the next chunk comes and plays
on from there. All its silence together is also the head start with which there would have been
none: a stream with 80 ms of underrun plays cleanly from a buffer of 80 ms.
"""

from collections.abc import Sequence

from barkclient.bench.stream import Arrival

# Clocks count in nanoseconds and sums of floats are not exact: below this nothing is missing.
_EXACT_S = 1e-9


def underrun_s(arrivals: Sequence[Arrival]) -> float:
    """Seconds of silence between the first chunk and the end of the last."""
    return sum(silences_s(arrivals))


def silences_s(arrivals: Sequence[Arrival]) -> list[float]:
    """Seconds of silence before each chunk, the first of which waits for nothing."""
    silences = []
    dry_at = arrivals[0].at_s if arrivals else 0.0
    for arrival in arrivals:
        silence = arrival.at_s - dry_at
        silences.append(silence if silence > _EXACT_S else 0.0)
        dry_at = max(dry_at, arrival.at_s) + arrival.audio_s
    return silences


def is_free(arrivals: Sequence[Arrival], allowed_s: float) -> bool:
    """Whether there was audio, and no more than so many seconds of silence in it."""
    return bool(arrivals) and underrun_s(arrivals) <= allowed_s + _EXACT_S
