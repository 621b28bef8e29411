"""Runs asynchronous work that Ctrl-C may end early. Knows nothing of the work."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any


def run_to_end_or_interrupt(work: Coroutine[Any, Any, None]) -> bool:
    """Runs it; whether Ctrl-C ended it. Once it has, further ones change nothing: they must break
    neither how the work ends nor what the caller then makes of it."""
    try:
        asyncio.run(_interruptible(work))
    except (asyncio.CancelledError, KeyboardInterrupt):
        _on_interrupt(signal.SIG_IGN)
        return True
    _on_interrupt(signal.default_int_handler)
    return False


async def _interruptible(work: Coroutine[Any, Any, None]) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop(*_: object) -> None:
        _on_interrupt(signal.SIG_IGN)
        loop.call_soon_threadsafe(task.cancel)

    _on_interrupt(stop)
    await work


def _on_interrupt(handler: Any) -> None:
    """Only a process's first thread hears signals."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
