"""Accepts a stream only if all accepted streams can keep their playback deadlines.

A stream is accepted if the capacity has room for it (`capacity`) and its caller leaves room for
others (`shares`). Otherwise it waits in a short queue, if room is expected in time. The caller that
runs the fewest streams is served first. All other streams are refused at once, and are told when
room is expected (`forecast`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from barkserve.errors import Overloaded
from barkserve.orchestrator.admission.capacity import Capacity
from barkserve.orchestrator.admission.forecast import (
    MAX_RETRY_S,
    MIN_RETRY_S,
    Promises,
    free_in_s,
)
from barkserve.orchestrator.admission.shares import Shares
from barkserve.orchestrator.admission.stream import Stream
from barkserve.serving.caller import current_caller

_POLL_S = 0.25
"""How often waiting streams look at the capacity, which changes with the load reports."""

UNMET_S = 2.0
"""How long a refused stream counts as demand that the autoscaler should meet."""


@dataclass(eq=False)
class _Waiter:
    stream: Stream
    accepted: "asyncio.Future[None]"


class StreamAdmission:
    """Accepts, queues or refuses the streams of one orchestrator. Needs a running event loop.

    Args:
        max_streams: streams that may run at once, whatever the capacity.
        capacity: reads what the stages can do.
        queue_s: time that a stream may wait for room.
        during: a context manager entered for each stream and exited when it ends. It raises
            if the caller may not have another one.

    Attributes:
        capacity: `max_streams`, for load reports.
        taken: streams accepted since the start.
    """

    def __init__(
        self,
        max_streams: int,
        capacity: Callable[[], Capacity],
        queue_s: float,
        during: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.capacity = max_streams
        self.taken = 0
        self._read_capacity = capacity
        self._queue_s = queue_s
        self._during = during
        self._streams: dict[Stream, None] = {}
        self._waiters: list[_Waiter] = []
        self._shares = Shares()
        self._promises = Promises()
        self._refused_at: deque[float] = deque(maxlen=max_streams)
        self._made_s = 0.0

    @property
    def active(self) -> int:
        """Streams that run now."""
        return len(self._streams)

    @property
    def measured(self) -> Capacity:
        """What the stages can do now."""
        return self._read_capacity()

    @property
    def waiting(self) -> int:
        """Streams that wait for room."""
        return len(self._waiters)

    @property
    def unmet(self) -> int:
        """Streams that wait, or were refused within the last two seconds."""
        since = _now() - UNMET_S
        return self.waiting + sum(at > since for at in self._refused_at)

    @property
    def backlog_s(self) -> float:
        """Estimated seconds of audio asked for and not made yet."""
        return sum(stream.left_s for stream in self._streams)

    @property
    def made_s(self) -> float:
        """Seconds of audio made since the start."""
        return self._made_s + sum(stream.made_s for stream in self._streams)

    @asynccontextmanager
    async def stream(self, characters: int = 0) -> AsyncIterator[Stream]:
        """Accept one stream for the duration of the block, perhaps after a short wait.

        Args:
            characters: of the text so far.

        Raises:
            Overloaded: there is no room, and none is expected in time.
        """
        with self._during():
            async with self._accepted(characters) as stream:
                yield stream

    @asynccontextmanager
    async def _accepted(self, characters: int) -> AsyncIterator[Stream]:
        stream = Stream(current_caller().name, characters)
        self._shares.seen(stream.caller, _now())
        self._accept_waiters()
        if self._has_room(stream.caller, self._read_capacity()):
            self._accept(stream)
        else:
            await self._wait(stream)
        try:
            yield stream
        finally:
            self._end(stream)

    def _has_room(self, caller: str, capacity: Capacity) -> bool:
        if self.active >= self.capacity:
            return False
        if self.active + capacity.elsewhere < 1:
            return True  # also on a machine that is slower than real time
        limit = self._limit(capacity)
        return self.active + 1 <= limit - self._shares.room_to_leave(caller, limit)

    def _limit(self, capacity: Capacity) -> float:
        """Streams of this orchestrator that may run."""
        return min(capacity.streams - capacity.elsewhere, self.capacity)

    def _accept(self, stream: Stream) -> None:
        stream.accepted_at = _now()
        self._streams[stream] = None
        self._shares.begin(stream.caller)
        self.taken += 1

    def _end(self, stream: Stream) -> None:
        del self._streams[stream]
        self._made_s += stream.made_s
        self._shares.end(stream.caller, _now())
        self._accept_waiters()

    async def _wait(self, stream: Stream) -> None:
        """Wait until the stream is accepted."""
        waiter = _Waiter(stream, asyncio.get_running_loop().create_future())
        if self._expected_wait_s(stream.caller) > self._queue_s or self.waiting >= self.capacity:
            raise self._refusal(stream)
        self._waiters.append(waiter)
        deadline = _now() + self._queue_s
        try:
            while not waiter.accepted.done() and (left_s := deadline - _now()) > 0:
                await asyncio.wait({waiter.accepted}, timeout=min(left_s, _POLL_S))
                self._accept_waiters()
            if not waiter.accepted.done():
                raise self._refusal(stream)
        except asyncio.CancelledError:
            if waiter.accepted.done():
                self._end(stream)
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _accept_waiters(self) -> None:
        """Accept the waiting streams that have room now, those of the smallest callers first."""
        if not self._waiters:
            return
        capacity, running = self._read_capacity(), self._shares.running
        for waiter in sorted(self._waiters, key=lambda each: running(each.stream.caller)):
            if self._has_room(waiter.stream.caller, capacity):
                self._waiters.remove(waiter)
                self._accept(waiter.stream)
                waiter.accepted.set_result(None)

    def _expected_wait_s(self, caller: str) -> float:
        """Seconds until a caller's next stream is expected to have room."""
        running = self._shares.running
        ahead = sum(running(each.stream.caller) <= running(caller) for each in self._waiters)
        return self._free_in_s(ahead + 1)

    def _free_in_s(self, place: int) -> float:
        """Seconds until enough streams have ended for a place in the line."""
        capacity = self._read_capacity()
        excess = max(0, self.active - max(1, int(self._limit(capacity))))
        return free_in_s(list(self._streams), place + excess, capacity.rate, _now())

    def _refusal(self, stream: Stream) -> Overloaded:
        now, capacity = _now(), self._read_capacity()
        place = self.waiting + self._promises.ahead(stream.caller, now) + 1
        retry_s = min(MAX_RETRY_S, max(MIN_RETRY_S, self._free_in_s(place)))
        self._promises.add(stream.caller, now + retry_s)
        self._refused_at.append(now)
        return Overloaded(self._reason(stream.caller, capacity), round(retry_s, 1))

    def _reason(self, caller: str, capacity: Capacity) -> str:
        if self.active >= self.capacity:
            return (
                f"this service runs {self.active} streams and its limit is {self.capacity}: retry "
                "later, add a replica, or raise --max-streams"
            )
        running = self.active + capacity.elsewhere
        if running + 1 <= capacity.streams:
            return (
                f"{caller} runs {self._shares.running(caller)} streams, and the last room is kept "
                f"for {self._shares.callers - 1} other callers: retry later, or add a replica"
            )
        return (
            f"{running:.0f} streams run, and the {capacity.stage} stage serves "
            f"{capacity.streams:.1f} in real time: retry later, add replicas, or use "
            "--admission count"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
