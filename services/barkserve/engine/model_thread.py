"""The worker thread of a model, and the detection of a failed device.

After a faulty kernel on a GPU (a device-side assert, an illegal address) every later call of the
process fails, valid ones too. Only a new process recovers.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Args = TypeVarTuple("Args")


class ModelThread:
    """Runs a model's work in one thread, in order.

    Args:
        initializer: called once in the thread, before all work.
        probe: raises if the device has failed. Called in the thread after work has failed. None:
            this device cannot fail.
    """

    def __init__(
        self,
        initializer: Callable[[], None] | None = None,
        probe: Callable[[], None] | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(1, "model", initializer=initializer)
        self._probe = probe
        self._failed = asyncio.Event()

    async def run(self, work: Callable[[*Args], Result], *args: *Args) -> Result:
        """Return work(*args), computed in the thread after all earlier work."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, *args)
        except Exception:
            await self._check_device()
            raise

    async def wait_fatal(self) -> None:
        """Return when the device has failed."""
        await self._failed.wait()

    def shutdown(self) -> None:
        """Wait for the current work and end the thread."""
        self._executor.shutdown()

    async def _check_device(self) -> None:
        if self._probe is None or self._failed.is_set():
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._probe)
        except Exception as error:
            _log.error("the device has failed: %s", error)
            self._failed.set()
