"""A limit on what callers hold open without using it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import Overloaded

_RETRY_S = 1.0


class HoldLimit:
    """Counts what each caller holds.

    Args:
        what: what is counted, such as "open calls".
        per_caller: the limit of each caller.
        total: the limit of all callers together.
        advice: what to do at the limit.
    """

    def __init__(self, what: str, per_caller: int, total: int, advice: str) -> None:
        self._what = what
        self._reason = what.replace(" ", "_")
        self._per_caller = per_caller
        self._total = total
        self._advice = advice
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one for the duration of the block.

        Raises:
            Overloaded: the limit is reached.
        """
        if self._held[caller] >= self._per_caller:
            raise Overloaded(
                f"{caller} has {self._held[caller]} {self._what}, which is the limit of a caller: "
                f"{self._advice}",
                _RETRY_S,
                f"caller_{self._reason}",
            )
        if self._held.total() >= self._total:
            raise Overloaded(
                f"all callers have {self._total} {self._what}, which is the limit: {self._advice}",
                _RETRY_S,
                self._reason,
            )
        self._held[caller] += 1
        try:
            yield
        finally:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]
