"""Moves a model between its device and host memory when it is idle and when it is needed again.

    RESIDENT -- idle --> OFFLOADING --> OFFLOADED -- lease --> RELOADING --> RESIDENT

One task walks through these states, so two moves never overlap. The model's own thread does the
moves, and only that thread runs steps. A move to host memory starts only while the model has no
users. A stream counts as a user from before its step is planned until after it. Therefore no step
runs on an offloaded model.
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
    """Device memory that can be given up. Methods run in the model's thread, in turn.

    A method that raises has changed nothing.
    """

    def offload(self) -> int:
        """Free the device memory. Returns the number of bytes freed."""

    def reload(self) -> None:
        """Allocate the device memory again and restore its contents."""


class RunInThread(Protocol):
    """Runs work in the model's thread, in the order of the calls."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]:
        """Return work(), computed in the thread."""


class State(Enum):
    """Where the model is."""

    RESIDENT = "resident"
    OFFLOADING = "offloading"
    OFFLOADED = "offloaded"
    RELOADING = "reloading"


class DeviceResidency:
    """Counts the users of a model, and moves it.

    Args:
        offloadable: what is moved; None: the model always stays on its device.
        idle_s: time without users after which the model is offloaded.

    Attributes:
        state: where the model is.
        freed_bytes: device memory freed by the last offload.
        reload_s: duration of the last reload.
    """

    def __init__(self, offloadable: Offloadable | None = None, idle_s: float = 0.0) -> None:
        self.state = State.RESIDENT
        self.freed_bytes = 0
        self.reload_s = 0.0
        self._offloadable = offloadable
        self._idle_s = idle_s
        self._users = 0
        self._unused_since = time.monotonic()
        self._users_changed = asyncio.Event()  # from 0 to 1 or from 1 to 0
        self._reload_requested = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def offloaded(self) -> bool:
        """Whether the model is not on its device, or is moving."""
        return self.state is not State.RESIDENT

    async def start(self, in_thread: RunInThread, before_offload: Callable[[], None]) -> None:
        """Start to move the model.

        Args:
            in_thread: runs work in the model's thread.
            before_offload: called in the event loop right before each offload.
        """
        if self._offloadable is not None:
            cycle = self._cycle(self._offloadable, in_thread, before_offload)
            self._task = asyncio.create_task(cycle, name="device residency")

    async def stop(self) -> None:
        """Stop moving the model. The thread finishes a move that has started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Announce a user: the model is reloaded and not offloaded while the context is open."""
        self._users += 1
        self._users_changed.set()
        self._request_reload()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused_since = time.monotonic()
                self._users_changed.set()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Wait until the model is on its device and keep it there while the context is open.

        Raises:
            ModelExecutionFailed: the reload failed. The next lease tries again.
        """
        with self.reserve():
            while self.state is not State.RESIDENT:
                self._request_reload()
                resident: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(resident)
                await resident
            yield

    def _request_reload(self) -> None:
        if self.state is not State.RESIDENT:
            self._reload_requested.set()

    async def _cycle(
        self, offloadable: Offloadable, in_thread: RunInThread, before_offload: Callable[[], None]
    ) -> None:
        while True:
            await self._wait_unused()
            self.state = State.OFFLOADING  # without an await in between: no new user
            self._reload_requested.clear()
            before_offload()
            await self._offload(offloadable, in_thread)
            while self.state is State.OFFLOADED:
                await self._reload_requested.wait()
                self._reload_requested.clear()
                if self._users:  # the user may have been cancelled
                    await self._reload(offloadable, in_thread)

    async def _wait_unused(self) -> None:
        """Return when the model has had no users for idle_s."""
        while self._users or self._idle_left_s > 0:
            self._users_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._users else self._idle_left_s):
                    await self._users_changed.wait()

    @property
    def _idle_left_s(self) -> float:
        return self._unused_since + self._idle_s - time.monotonic()

    async def _offload(self, offloadable: Offloadable, in_thread: RunInThread) -> None:
        started = time.perf_counter()
        try:
            self.freed_bytes = await in_thread(offloadable.offload)
        except Exception:
            _log.exception("offloading the model failed; it stays on its device")
            self._unused_since = time.monotonic()
            self._set_resident()
            return
        self.state = State.OFFLOADED
        _log.info(
            "model offloaded after %g s without streams: %.0f MB of device memory freed in %.2f s",
            self._idle_s, self.freed_bytes / 1e6, time.perf_counter() - started,
        )  # fmt: skip

    async def _reload(self, offloadable: Offloadable, in_thread: RunInThread) -> None:
        self.state = State.RELOADING
        started = time.perf_counter()
        try:
            await in_thread(offloadable.reload)
        except Exception as error:
            _log.exception("reloading the model to its device failed")
            self.state = State.OFFLOADED
            self._fail_waiting(error)
            return
        self.reload_s = time.perf_counter() - started
        _log.info("model reloaded to its device in %.2f s", self.reload_s)
        self._set_resident()

    def _set_resident(self) -> None:
        self.state = State.RESIDENT
        for future in self._take_waiting():
            future.set_result(None)

    def _fail_waiting(self, error: Exception) -> None:
        for future in self._take_waiting():
            failure = ModelExecutionFailed(
                "the model could not be reloaded to its device: other processes may use its"
                " memory. See the stage's log"
            )
            failure.__cause__ = error
            future.set_exception(failure)

    def _take_waiting(self) -> list["asyncio.Future[None]"]:
        waiting, self._waiting = self._waiting, []
        return [future for future in waiting if not future.done()]
