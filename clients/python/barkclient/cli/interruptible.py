"""Ctrl-C during a command: ends the wait for audio, or asynchronous work, in an orderly way."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from barkclient.client import Synthesis
from barkclient.errors import BarkClientError
from barkclient.responses import AudioChunk


class Interrupt:
    """Handles Ctrl-C from its creation on.

    The first Ctrl-C only ends the wait for audio. It interrupts neither gRPC's code nor a write of
    audio that has arrived. The second one raises KeyboardInterrupt anywhere.
    """

    def __init__(self) -> None:
        self._interrupted = False
        self._synthesis: Synthesis | None = None
        _on_interrupt(self._stop)

    def chunks(self, synthesis: Synthesis) -> Iterator[AudioChunk]:
        """Yield the audio of a synthesis.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the synthesis.
        """
        self._synthesis = synthesis
        if self._interrupted:
            synthesis.close()
        try:
            yield from synthesis
        except BarkClientError:
            if self._interrupted:
                raise KeyboardInterrupt from None
            raise

    def ignore_further(self) -> None:
        """Ignore Ctrl-C from now on."""
        _on_interrupt(signal.SIG_IGN)

    def _stop(self, *_: object) -> None:
        _on_interrupt(signal.default_int_handler)
        self._interrupted = True
        if self._synthesis is not None:
            self._synthesis.close()


def run_to_end_or_interrupt(work: Coroutine[Any, Any, None]) -> bool:
    """Run a coroutine until it ends or Ctrl-C cancels it.

    After Ctrl-C, further ones are ignored: they must not interrupt the cleanup or the report.

    Returns:
        Whether Ctrl-C ended it.
    """
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
    """Set the handler of SIGINT. Python allows this only in the main thread."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
