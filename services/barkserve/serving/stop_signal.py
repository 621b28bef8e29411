"""Turns signals and the end of standard input into a stop request."""

import asyncio
import os
import signal
import sys

from barkserve.serving.process_exit import exit_now

_INTERRUPTED = 130


def stop_requested(exit_on_stdin_close: bool) -> asyncio.Event:
    """An event that is set by the first SIGINT or SIGTERM, or when standard input closes.

    A second signal ends the process at once.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            exit_now(_INTERRUPTED)
        stop.set()

    def on_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, on_signal)
    if exit_on_stdin_close:
        loop.add_reader(sys.stdin.fileno(), on_stdin)
    return stop
