"""An event loop whose clock jumps to the next event instead of waiting for it.

The services' own asyncio code runs in it unchanged, and a simulated hour takes as long as its
events. The same seed gives the same events.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_DECIMALS = 9  # of a second; more would leave a timer due after it was waited for


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which starts at 0. It has no use for sockets or threads."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move the clock on."""
        self._now = round(self._now + seconds, _DECIMALS)


class _Jump(selectors.DefaultSelector):
    """Moves the loop's clock instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return at once, with no event of a file.

        Raises:
            RuntimeError: nothing is left to wait for.
        """
        if timeout is None:
            raise RuntimeError("the simulation waits for something that never happens")
        if timeout > 0:
            self._loop.jump(timeout)
        return []


def run_in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def now() -> float:
    """Return the time of the running event loop in seconds."""
    return asyncio.get_running_loop().time()
