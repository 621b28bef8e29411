"""How a stream sounds: the silences of a player that starts at the first chunk, with no buffer.

Chunk k of a stream arrives at a(k) and lasts d(k) seconds. After an underrun the player is silent
until the next chunk arrives, and continues from there. So before chunk k it is silent for

    s(k) = max(0, a(k) - a(1) - sum of d(j) and s(j) for j < k).

- The **underrun** of a stream is the sum of s(k). It equals max(0, max over k of
  a(k) - a(1) - sum of d(j) for j < k): the buffer that would have prevented all silences. A stream
  with 80 ms of underrun plays seamlessly from a buffer of 80 ms.
- The **longest silence** is the largest s(k). SGLang-Omni's `audio_underrun_s` and its C50 and C100
  use this value (sglang_omni/metrics). It is never above the underrun: a stream with four silences
  of 40 ms has a longest silence of 40 ms and an underrun of 160 ms.
"""

from collections.abc import Sequence

from barkclient.bench.stream import Arrival

# Sums of floats are not exact: a shorter silence is none.
_TOLERANCE_S = 1e-9


def underrun_s(arrivals: Sequence[Arrival]) -> float:
    """Return the seconds of silence between the first chunk and the end of the last."""
    return sum(silences_s(arrivals))


def longest_silence_s(arrivals: Sequence[Arrival]) -> float:
    """Return the seconds of the longest silence."""
    return max(silences_s(arrivals), default=0.0)


def silences_s(arrivals: Sequence[Arrival]) -> list[float]:
    """Return the seconds of silence before each chunk. The first is 0."""
    silences = []
    empty_at = arrivals[0].at_s if arrivals else 0.0
    for arrival in arrivals:
        silence = arrival.at_s - empty_at
        silences.append(silence if silence > _TOLERANCE_S else 0.0)
        empty_at = max(empty_at, arrival.at_s) + arrival.audio_s
    return silences


def is_continuous(arrivals: Sequence[Arrival], buffer_s: float) -> bool:
    """Whether there was audio, and a player with a buffer of `buffer_s` has no underrun."""
    return bool(arrivals) and underrun_s(arrivals) <= buffer_s + _TOLERANCE_S
