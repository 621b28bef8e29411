"""Whether a model is on its device, and when it leaves and comes back. Knows no tensors.

    RESIDENT -- nobody for so long --> LEAVING --> AWAY -- somebody --> RETURNING --> RESIDENT

One task walks this circle, so two moves never overlap. Both are done by the model's own thread,
which is also the only one that takes steps. A move away begins only while nobody is counted, and
whoever wants a step is counted from before it is planned until after it: so no step finds the
model away.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from typing import Protocol, TypeVar

from barkserve.errors import ModelExecutionFailed

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Offloadable(Protocol):
    """What a model occupies. Its methods are called in the model's thread, in turn; one that
    raises has changed nothing.
    """

    def offload(self) -> int:
        """Give the place up; returns how many bytes were given back."""

    def reload(self) -> None:
        """Take the place again, with everything as it was."""


class RunInThread(Protocol):
    """Does work in the model's thread, behind what that was given before."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]: ...


class State(Enum):
    """Where the model is."""

    RESIDENT = "resident"
    OFFLOADING = "leaving"
    OFFLOADED = "away"
    RELOADING = "returning"


class DeviceResidency:
    """Counts who needs the model, and moves it.

    Args:
        place: what is given up and taken again; None: the model always stays.
        idle_s: how long nobody must have needed the model before it leaves.

    Attributes:
        state: where it is.
        freed_bytes: what the last move away gave back.
        return_s: how long the last return took.
    """

    def __init__(self, place: Offloadable | None = None, idle_s: float = 0.0) -> None:
        self.state = State.RESIDENT
        self.freed_bytes = 0
        self.return_s = 0.0
        self._place = place
        self._idle_s = idle_s
        self._users = 0
        self._unused_since = time.monotonic()
        self._changed = asyncio.Event()  # somebody came or the last one left
        self._asked = asyncio.Event()  # somebody needs the model, which is not there
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether the model is not on its device, or about to leave it."""
        return self.state is not State.RESIDENT

    async def start(self, in_thread: RunInThread, before_offload: Callable[[], None]) -> None:
        """Begin to move the model.

        Args:
            in_thread: the model's thread.
            leaving: called right before the model leaves, in the event loop.
        """
        if self._place is not None:
            cycle = self._cycle(self._place, in_thread, before_offload)
            self._task = asyncio.create_task(cycle, name="residence")

    async def stop(self) -> None:
        """Move the model no more. A move that runs is finished by the thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Somebody is here who will need the model: it comes back, and does not leave."""
        self._users += 1
        self._changed.set()
        self._ask()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused_since = time.monotonic()
                self._changed.set()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Wait until the model is there; it stays for as long as this is held.

        Raises:
            ModelExecutionFailed: it could not come back. The next who asks makes it try again.
        """
        with self.expected():
            while self.state is not State.RESIDENT:
                self._ask()
                arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(arrival)
                await arrival
            yield

    def _ask(self) -> None:
        if self.state is not State.RESIDENT:
            self._asked.set()

    async def _cycle(
        self, place: Offloadable, in_thread: RunInThread, before_offload: Callable[[], None]
    ) -> None:
        while True:
            await self._unused()
            self.state = State.OFFLOADING  # in the same turn: nobody came in between
            self._asked.clear()
            before_offload()
            await self._offload(place, in_thread)
            while self.state is State.OFFLOADED:
                await self._asked.wait()
                self._asked.clear()
                if self._users:  # who asked may have gone again
                    await self._reload(place, in_thread)

    async def _unused(self) -> None:
        """Return when nobody has needed the model for idle_s."""
        while self._users or self._left_s > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._users else self._left_s):
                    await self._changed.wait()

    @property
    def _left_s(self) -> float:
        return self._unused_since + self._idle_s - time.monotonic()

    async def _offload(self, place: Offloadable, in_thread: RunInThread) -> None:
        started = time.perf_counter()
        try:
            self.freed_bytes = await in_thread(place.offload)
        except Exception:
            _log.exception("the model could not leave its device and stays")
            self._unused_since = time.monotonic()
            self._arrived()
            return
        self.state = State.OFFLOADED
        _log.info(
            "nobody for %g s: the model left its device in %.2f s, %.0f MB given back",
            self._idle_s, time.perf_counter() - started, self.freed_bytes / 1e6,
        )  # fmt: skip

    async def _reload(self, place: Offloadable, in_thread: RunInThread) -> None:
        self.state = State.RELOADING
        started = time.perf_counter()
        try:
            await in_thread(place.reload)
        except Exception as error:
            _log.exception("the model could not come back to its device")
            self.state = State.OFFLOADED
            self._failed(error)
            return
        self.return_s = time.perf_counter() - started
        _log.info("the model came back to its device in %.2f s", self.return_s)
        self._arrived()

    def _arrived(self) -> None:
        self.state = State.RESIDENT
        for arrival in self._taken_waiting():
            arrival.set_result(None)

    def _failed(self, error: Exception) -> None:
        for arrival in self._taken_waiting():
            failure = ModelExecutionFailed(
                "the model could not come back to its device, whose memory may be in use by"
                " others; see the stage's log"
            )
            failure.__cause__ = error
            arrival.set_exception(failure)

    def _taken_waiting(self) -> list["asyncio.Future[None]"]:
        waiting, self._waiting = self._waiting, []
        return [arrival for arrival in waiting if not arrival.done()]
