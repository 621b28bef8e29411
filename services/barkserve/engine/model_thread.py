"""The worker thread of a model, and the detection of a failed device and of a hung model.

After a faulty kernel on a GPU (a device-side assert, an illegal address) every later call of the
process fails, valid ones too. A hung call never returns. Only a new process recovers from either.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from barkserve.engine.core_share import CoreShare
from barkserve.errors import ReplicaFailed, ReplicaStalled
from barkserve.stall_clock import StallClock

_log = logging.getLogger(__name__)

_MAX_CHECK_INTERVAL_S = 1.0
_CHECKS_PER_TIMEOUT = 10

Result = TypeVar("Result")
Args = TypeVarTuple("Args")


class ModelThread:
    """Runs a model's work in one thread, in order.

    Args:
        initializer: called once in the thread, before all work.
        probe: raises if the device has failed. Called in the thread after work has failed. None:
            this device cannot fail.
        step_timeout_s: time without a finished step after which the model counts as hung; 0: never.
        cores: sets the number of threads of each step; None: it does not change.
    """

    def __init__(
        self,
        initializer: Callable[[], None] | None = None,
        probe: Callable[[], None] | None = None,
        step_timeout_s: float = 0.0,
        cores: CoreShare | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(1, "model", initializer=initializer)
        self._probe = probe
        self._step_timeout_s = step_timeout_s
        self._cores = cores
        self._failure: ReplicaFailed | None = None
        self._failed = asyncio.Event()
        self._steps = 0  # finished; written by the thread only
        self._works: set[Future[Any]] = set()  # queued, and the one that runs

    async def run(self, work: Callable[[*Args], Result], *args: *Args) -> Result:
        """Return work(*args), computed in the thread after all earlier work."""
        return await self.run_series(self.compute, work, *args)

    async def run_series(self, series: Callable[[*Args], Result], *args: *Args) -> Result:
        """Return series(*args), called in the thread, which calls `compute` for each part."""
        try:
            return await asyncio.wrap_future(self._submit(series, *args))
        except Exception:
            await self._check_device()
            raise

    def compute(self, work: Callable[[*Args], Result], *args: *Args) -> Result:
        """Return work(*args), in the thread. The stage counts as busy meanwhile."""
        if self._cores is not None:
            self._cores.begin()
        try:
            return work(*args)
        finally:
            self._steps += 1
            if self._cores is not None:
                self._cores.end()

    def note_step(self) -> None:
        """Note, in the thread, that work which takes several steps has finished one."""
        self._steps += 1
        if self._cores is not None:
            self._cores.step_ended()

    async def wait_fatal(self) -> ReplicaFailed:
        """Wait until the device has failed or the model hangs; returns which.

        The model is watched only while this runs.
        """
        interval_s = min(_MAX_CHECK_INTERVAL_S, self._step_timeout_s / _CHECKS_PER_TIMEOUT) or None
        clock = StallClock(interval_s or 0.0, time.monotonic())
        while self._failure is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._failed.wait(), interval_s)
            still_s = clock.check(time.monotonic(), self._steps, busy=bool(self._works))
            if interval_s and still_s > self._step_timeout_s:
                self._fail(
                    ReplicaStalled(
                        f"a step of the model did not end within {self._step_timeout_s:g} s, so "
                        "this process ends: start it again. If the model is just slow, raise "
                        "--step-timeout-seconds"
                    )
                )
        return self._failure

    async def shutdown(self) -> None:
        """End the thread after its current work. Work of a failed model is not waited for."""
        works = map(asyncio.wrap_future, tuple(self._works))
        ended: asyncio.Future[Any] = asyncio.gather(*works, return_exceptions=True)
        failed: asyncio.Future[Any] = asyncio.ensure_future(self._failed.wait())
        await asyncio.wait([ended, failed], return_when=asyncio.FIRST_COMPLETED)
        failed.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[*Args], Result], *args: *Args) -> "Future[Result]":
        # In a copy of the caller's context, so that log lines of the thread show its request id.
        context = contextvars.copy_context()
        future: Future[Result] = self._executor.submit(lambda: context.run(lambda: work(*args)))
        self._works.add(future)
        future.add_done_callback(self._works.discard)
        return future

    async def _check_device(self) -> None:
        if self._probe is None or self._failure is not None:
            return
        try:
            await asyncio.wrap_future(self._submit(self._probe))
        except Exception as error:
            _log.error("the device has failed: %s", error)
            self._fail(
                ReplicaFailed("the device is lost to this process, which ends now: start it again")
            )

    def _fail(self, failure: ReplicaFailed) -> None:
        self._failure = failure
        self._failed.set()
