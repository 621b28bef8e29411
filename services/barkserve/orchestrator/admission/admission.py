"""Accepts a stream only if all accepted streams can keep their playback deadlines.

A stream is accepted if the capacity has room for it (`capacity`) and its caller leaves room for
others (`shares`). Otherwise it waits in a short queue, if room is expected in time. The caller that
runs the fewest streams is served first. All other streams are refused at once, and are told when
room is expected (`forecast`). The number of streams grows in steps (`ramp`).

A stream that continues a cut one has a listener already. As long as its caller is within its share,
it goes before new streams, may use the reserve that the capacity leaves, and waits longer.
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
from barkserve.orchestrator.admission.ramp import STEP_S, Ramp
from barkserve.orchestrator.admission.shares import Shares
from barkserve.orchestrator.admission.stream import Stream
from barkserve.serving.caller import current_caller

_POLL_S = 0.25
"""How often waiting streams look at the capacity, which changes with the load reports."""

RESUMED_QUEUE_S = 10.0
"""How long a stream that continues a cut one waits for room."""

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
        resumed: those of them that continue a cut one.
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
        self.resumed = 0
        self._read_capacity = capacity
        self._queue_s = queue_s
        self._during = during
        self._streams: dict[Stream, None] = {}
        self._waiters: list[_Waiter] = []
        self._shares = Shares()
        self._ramp = Ramp()
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
    async def stream(
        self, characters: int = 0, *, resumed: bool = False, speaking_rate: float = 1.0
    ) -> AsyncIterator[Stream]:
        """Accept one stream for the duration of the block, perhaps after a short wait.

        Args:
            characters: of the text so far.
            resumed: whether it continues a cut stream.
            speaking_rate: how fast its speech is played.

        Raises:
            Overloaded: there is no room, and none is expected in time.
        """
        with self._during():
            caller = current_caller().name
            stream = Stream(caller, characters, resumed=resumed, speaking_rate=speaking_rate)
            async with self._accepted(stream):
                yield stream

    @asynccontextmanager
    async def _accepted(self, stream: Stream) -> AsyncIterator[None]:
        self._shares.seen(stream.caller, _now())
        self._accept_waiters()
        if self._has_room(stream, self._read_capacity()):
            self._accept(stream)
        else:
            await self._wait(stream)
        try:
            yield
        finally:
            self._end(stream)

    def _has_room(self, stream: Stream, capacity: Capacity) -> bool:
        if self.active >= self.capacity:
            return False
        if self.active + capacity.elsewhere < 1:
            return True  # also on a machine that is slower than real time
        left = capacity.less(self._extra_load(stream))
        if self._goes_first(stream, capacity):
            return self.active + 1 <= self._limit_with_reserve(left)
        limit = self._limit(left)
        return self.active + 1 <= limit - self._shares.room_to_leave(stream.caller, limit)

    def _extra_load(self, stream: Stream) -> float:
        """What fast streams need beyond one stream each, if this one runs too."""
        return sum(each.extra_load for each in (*self._streams, stream))

    def _goes_first(self, stream: Stream, capacity: Capacity) -> bool:
        """Whether a stream has a listener already, and its caller is within its share."""
        limit = self._limit(capacity)
        return stream.resumed and not self._shares.room_to_leave(stream.caller, limit)

    def _limit_with_reserve(self, capacity: Capacity) -> float:
        """Streams of this orchestrator that may run if those that were cut continue."""
        streams = max(capacity.streams, capacity.rate)
        return min(streams - capacity.elsewhere, self.capacity)

    def _limit(self, capacity: Capacity) -> float:
        """Streams of this orchestrator that may run."""
        streams = min(capacity.streams, self._step(capacity))
        return min(streams - capacity.elsewhere, self.capacity)

    def _step(self, capacity: Capacity) -> float:
        """Streams of all orchestrators that may run before the next step of the ramp."""
        limit = self._ramp.limit(self.active + capacity.elsewhere, _now())
        return max(limit, capacity.assumed)

    def _accept(self, stream: Stream) -> None:
        stream.accepted_at = _now()
        self._streams[stream] = None
        self._shares.begin(stream.caller)
        self.taken += 1
        self.resumed += stream.resumed

    def _end(self, stream: Stream) -> None:
        self._step(self._read_capacity())  # counts the streams that ran until now
        del self._streams[stream]
        self._made_s += stream.made_s
        self._shares.end(stream.caller, _now())
        self._accept_waiters()

    async def _wait(self, stream: Stream) -> None:
        """Wait until the stream is accepted."""
        waiter = _Waiter(stream, asyncio.get_running_loop().create_future())
        first = self._goes_first(stream, self._read_capacity())
        queue_s = max(self._queue_s, RESUMED_QUEUE_S) if first else self._queue_s
        is_late = not first and self._expected_wait_s(stream.caller) > queue_s
        if is_late or self.waiting >= self.capacity:
            raise self._refusal(stream)
        self._waiters.append(waiter)
        deadline = _now() + queue_s
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
        """Accept the waiting streams that have room now, in their order."""
        if not self._waiters:
            return
        capacity = self._read_capacity()

        def order(waiter: _Waiter) -> tuple[bool, int]:
            stream = waiter.stream
            first = self._goes_first(stream, capacity)
            return not first, self._shares.running(stream.caller)

        for waiter in sorted(self._waiters, key=order):
            if self._has_room(waiter.stream, capacity):
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
        free_s = free_in_s(list(self._streams), place + excess, capacity.rate, _now())
        return min(free_s, place * STEP_S) if self._grows(capacity) else free_s

    def _grows(self, capacity: Capacity) -> bool:
        """Whether the next step of the ramp will make room."""
        step = self._step(capacity)
        return self.active + capacity.elsewhere + 1 > step and step + 1 <= capacity.streams

    def _refusal(self, stream: Stream) -> Overloaded:
        now, capacity = _now(), self._read_capacity()
        ahead = 0 if stream.resumed else self._promises.ahead(stream.caller, now)
        place = self.waiting + ahead + 1
        retry_s = min(MAX_RETRY_S, max(MIN_RETRY_S, self._free_in_s(place)))
        self._promises.add(stream.caller, now + retry_s)
        self._refused_at.append(now)
        reason, message = self._reason(stream, capacity)
        return Overloaded(message, round(retry_s, 1), reason)

    def _reason(self, stream: Stream, capacity: Capacity) -> tuple[str, str]:
        """The reason of a refusal, as a word for metrics and as a sentence for the caller."""
        if self.active >= self.capacity:
            return "max_streams", (
                f"this service runs {self.active} streams and its limit is {self.capacity}: retry "
                "later, add a replica, or raise --max-streams"
            )
        caller, running = stream.caller, self.active + capacity.elsewhere
        if self._grows(capacity):
            return "ramp", (
                f"{running:.0f} streams run, which were never more, and a further one is accepted "
                f"every {STEP_S:g} s: retry then, or raise --assumed-streams"
            )
        extra = self._extra_load(stream)
        if running + 1 <= capacity.streams - extra:
            return "fair_share", (
                f"{caller} runs {self._shares.running(caller)} streams, and the last room is kept "
                f"for {self._shares.callers - 1} other callers: retry later, or add a replica"
            )
        fast = f", less {extra:g} for fast speech" if extra else ""
        return f"{capacity.stage or 'stage'}_capacity", (
            f"{running:.0f} streams run, and the {capacity.stage} stage serves "
            f"{capacity.streams:.1f} in real time{fast}: retry later, add replicas, or use "
            "--admission count"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
