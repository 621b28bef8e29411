"""When a refused stream should call again. Pure.

Streams that run now end one after the other. The next one to end makes room for the stream that is
first in line, and so on. Each refusal promises such a place: later refusals get later ones. Callers
take turns, so that the many refusals of one caller do not postpone another caller's.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

from barkserve.orchestrator.admission.stream import Stream

MIN_RETRY_S, MAX_RETRY_S = 0.5, 60.0
UNKNOWN_S = 2.0
"""The forecast where only other orchestrators run streams."""

_MAX_PROMISES = 1000  # per caller


def free_in_s(streams: Sequence[Stream], place: int, rate: float, now: float) -> float:
    """Return the seconds until a number of streams have ended.

    Args:
        streams: those that run.
        place: how many must end, at least 1.
        rate: seconds of audio per second that the stages make in all.
        now: the time in seconds.
    """
    if not streams:
        return UNKNOWN_S
    share_of_rate = rate / len(streams)
    ends = sorted(each.ends_in_s(now, share_of_rate) for each in streams)
    rounds, index = divmod(place - 1, len(ends))
    mean_s = sum(each.left_s + each.made_s for each in streams) / len(streams) / share_of_rate
    return rounds * mean_s + ends[index]


@dataclass
class Promises:
    """The times at which refused streams were told to call again, by caller."""

    _times: dict[str, list[float]] = field(default_factory=dict)

    def ahead(self, caller: str, now: float) -> int:
        """Count the promised places that come before the caller's next one."""
        self._forget(now)
        own = len(self._times.get(caller, ()))
        others = (len(times) for name, times in self._times.items() if name != caller)
        return own + sum(min(count, own + 1) for count in others)

    def add(self, caller: str, at: float) -> None:
        """Remember that a caller was told to call again at `at`."""
        times = self._times.setdefault(caller, [])
        if len(times) < _MAX_PROMISES:
            bisect.insort(times, at)

    def _forget(self, now: float) -> None:
        for name, times in list(self._times.items()):
            del times[: bisect.bisect_right(times, now)]
            if not times:
                del self._times[name]
