"""Fair shares of the capacity. Pure.

The callers of the last 30 s have equal shares. A caller may exceed its share while there is room,
because an idle slot helps no caller. But as long as there are others, it must leave room for one
more stream. A caller within its share therefore finds room at once, unless another such caller has
just taken it. Then it is the next one that gets room.
"""

from collections import Counter
from dataclasses import dataclass, field

RECENT_S = 30.0
"""How long a caller without streams keeps its share."""

_FORGET_INTERVAL_S = 1.0


@dataclass
class Shares:
    """The callers, and how many streams each of them runs. Times are in seconds."""

    _running: Counter[str] = field(default_factory=Counter)
    _seen_at: dict[str, float] = field(default_factory=dict)
    _forgot_at: float = 0.0

    @property
    def callers(self) -> int:
        """Callers that have a share."""
        return len(self._seen_at)

    def running(self, caller: str) -> int:
        """Streams of a caller that run."""
        return self._running[caller]

    def seen(self, caller: str, now: float) -> None:
        """Note that a caller asks for a stream."""
        self._seen_at[caller] = now
        if now - self._forgot_at < _FORGET_INTERVAL_S:
            return
        self._forgot_at = now
        for name, seen_at in list(self._seen_at.items()):
            if now - seen_at > RECENT_S and not self._running[name]:
                del self._seen_at[name]

    def begin(self, caller: str) -> None:
        """Count a stream."""
        self._running[caller] += 1

    def end(self, caller: str, now: float) -> None:
        """Stop counting a stream."""
        self._seen_at[caller] = now
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]

    def room_to_leave(self, caller: str, capacity: float) -> int:
        """Streams for which a caller must leave room: 1 if it would exceed its share, else 0.

        Args:
            caller: its name.
            capacity: streams that may run, at least 2 for shares to matter.
        """
        if self.callers < 2 or capacity < 2:
            return 0
        return int(self._running[caller] + 1 > capacity / self.callers)
