"""The one thread in which a model works, and whether its device still does. Knows no model.

A kernel that goes wrong on a GPU (a device-side assert, an illegal address) makes every later call
of the process fail, also the good ones: only another process can go on.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Given = TypeVarTuple("Given")


class ModelThread:
    """Does a model's work, one after the other.

    Args:
        begin: called once in the thread, before all else.
        touch: asks the device for a sign of life, and raises if there is none; called in the thread
            when work has failed. None: this device cannot be lost.
    """

    def __init__(
        self, begin: Callable[[], None] | None = None, touch: Callable[[], None] | None = None
    ) -> None:
        self._executor = ThreadPoolExecutor(1, "model", initializer=begin)
        self._touch = touch
        self._lost = asyncio.Event()

    async def run(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        """What work(*given) returns or raises, behind what the thread was given before."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, *given)
        except Exception:
            await self._look()
            raise

    async def wait_fatal(self) -> None:
        """Return once the device works no more."""
        await self._lost.wait()

    def shutdown(self) -> None:
        """Wait for the work in flight and do no more."""
        self._executor.shutdown()

    async def _look(self) -> None:
        if self._touch is None or self._lost.is_set():
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._touch)
        except Exception as error:
            _log.error("the device works no more: %s", error)
            self._lost.set()
