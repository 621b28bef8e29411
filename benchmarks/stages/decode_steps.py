"""The time of a decode step, from the times at which a stage's tokens arrive.

This needs nothing of the engine but its outputs, which arrive in groups of several tokens.
"""

import statistics
from collections.abc import Iterator, Sequence
from itertools import accumulate

Outputs = Sequence[tuple[float, int]]
"""The outputs of a stream: seconds since the start, number of tokens."""


def step_ms(streams: Sequence[Outputs], window: int) -> float | None:
    """Return the milliseconds from one token of a stream to the next, the median of all windows.

    Args:
        streams: the outputs of all streams, which ran at once.
        window: tokens between two prompts; 0: one prompt. The time of a prompt does not count: a
            window is measured from its first output to its last.

    Returns:
        The time; None if no window has two outputs.
    """
    steps = [
        1e3 * (last_s - first_s) / tokens
        for outputs in streams
        for first_s, last_s, tokens in _windows(outputs, window)
    ]
    return statistics.median(steps) if steps else None


def _windows(outputs: Outputs, window: int) -> Iterator[tuple[float, float, int]]:
    """Yield the times of each window's first and last output, and the tokens between them."""
    ends = accumulate(tokens for _, tokens in outputs)
    groups: dict[int, list[tuple[float, int]]] = {}
    for (at_s, _), end in zip(outputs, ends, strict=True):
        groups.setdefault((end - 1) // window if window else 0, []).append((at_s, end))
    for group in groups.values():
        (first_s, first), (last_s, last) = group[0], group[-1]
        if last > first:
            yield first_s, last_s, last - first
