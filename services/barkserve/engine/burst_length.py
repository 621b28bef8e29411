"""How many decode steps run in one burst.

A short burst reports first tokens early and lets new requests join soon. A long one costs the host
less per step. Streams that have enough audio buffered can wait for their tokens.
"""

from collections.abc import Sequence

from barkserve.engine.request import Request

MAX_STEPS = 8
"""Most steps for the sake of streams that can wait."""

URGENT_S = 0.1
"""A stream with less buffered audio than this gets its tokens as soon as they can be reported."""

_SHARE = 0.5  # of the buffered audio that a burst may take


def burst_length(
    requests: Sequence[Request],
    now: float,
    step_s: float,
    lengths: Sequence[int] | None = None,
) -> int:
    """Return the number of steps of the next burst.

    Args:
        requests: those that decode, each with draws left.
        now: monotonic time, s.
        step_s: expected duration of a step.
        lengths: the lengths to choose from, ascending; None: any.
    """
    most = max(request.draws_left for request in requests)
    slacks = [_slack(request, now) for request in requests]
    if min(slacks) < URGENT_S:
        steps = min(
            request.draws_to_report
            for request, slack in zip(requests, slacks, strict=True)
            if slack < URGENT_S
        )
    else:
        affordable = MAX_STEPS if step_s == 0.0 else int(_SHARE * min(slacks) / step_s)
        first = requests[slacks.index(min(slacks))]
        steps = max(first.draws_to_report, min(MAX_STEPS, affordable))
        if lengths is None:  # end with a report
            steps -= (steps - first.draws_to_report) % first.report_every
    steps = min(most, steps)
    if lengths is None:
        return steps
    return next((length for length in lengths if length >= steps), lengths[-1])


def _slack(request: Request, now: float) -> float:
    """Seconds until a stream underruns; below URGENT_S if it has no output yet."""
    underrun_at = request.underrun_at
    return 0.0 if underrun_at is None else underrun_at - now
