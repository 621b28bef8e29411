"""Measures the delays of a service's event loop, and ends a process whose event loop is blocked.

A thread watches the loop. It cannot run while a native call keeps Python's interpreter lock: such a
process answers no health check, and its supervisor has to end it.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import ReplicaStalled
from barkserve.serving.metrics import Metrics
from barkserve.stall_clock import StallClock

_log = logging.getLogger(__name__)

_TURN_INTERVAL_S = 0.02
_MAX_CHECK_INTERVAL_S = 0.5
_CHECKS_PER_TIMEOUT = 10

_REPORT_S = 2.0
"""Time to write the reason for the end. The log itself may be what blocks the event loop."""


def dump_stacks() -> None:
    """Write the stacks of all threads to standard error."""
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)


class LoopWatch:
    """Runs on the event loop at fixed intervals, and records how late it is.

    Args:
        metrics: receive the delays.

    Attributes:
        turns: how often it has run.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.turns = 0
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._due = self._cpu_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Run until stop is called."""
        self._cpu_s = time.thread_time()
        self._schedule()

    def stop(self) -> None:
        """Run no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _turn(self) -> None:
        self.turns += 1
        cpu_s = time.thread_time()
        self._metrics.loop_turned(max(0.0, self._loop.time() - self._due), cpu_s - self._cpu_s)
        self._cpu_s = cpu_s
        self._schedule()

    def _schedule(self) -> None:
        self._due = self._loop.time() + _TURN_INTERVAL_S
        self._handle = self._loop.call_at(self._due, self._turn)


@contextmanager
def watching_event_loop(metrics: Metrics, timeout_s: float) -> Iterator[None]:
    """Watch the running event loop for the duration of the block.

    Args:
        metrics: receive the delays of the loop.
        timeout_s: time without a turn of the loop after which the process ends; 0 for never.
    """
    watch = LoopWatch(metrics)
    done = threading.Event()
    args = (watch, timeout_s, done, metrics)
    thread = threading.Thread(target=_watch, args=args, name="watchdog", daemon=True)
    watch.start()
    if timeout_s:
        thread.start()
    try:
        yield
    finally:
        done.set()
        watch.stop()


def _watch(watch: LoopWatch, timeout_s: float, done: threading.Event, metrics: Metrics) -> None:
    interval_s = min(_MAX_CHECK_INTERVAL_S, timeout_s / _CHECKS_PER_TIMEOUT)
    clock = StallClock(interval_s, time.monotonic())
    while not done.wait(interval_s):
        if clock.check(time.monotonic(), watch.turns) > timeout_s:
            metrics.watchdog_tripped()
            _end_process(timeout_s)


def _end_process(timeout_s: float) -> None:
    def report() -> None:
        _log.critical(
            "the event loop has been blocked for %g s, so this process ends: start it again. The "
            "stacks of its threads follow. --event-loop-timeout-seconds sets the time",
            timeout_s,
        )
        dump_stacks()

    reporter = threading.Thread(target=report, name="watchdog report", daemon=True)
    reporter.start()
    reporter.join(_REPORT_S)
    os._exit(ReplicaStalled.exit_code)
