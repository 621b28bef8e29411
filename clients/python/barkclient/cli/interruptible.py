"""What Ctrl-C may end early: asynchronous work, and the wait for the next chunk of audio. Knows
nothing of the work.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from barkclient.client import Synthesis
from barkclient.errors import BarkClientError
from barkclient.responses import AudioChunk


class Interrupt:
    """Ctrl-C from now on: the first ends the wait for audio and nothing else, so it breaks neither
    gRPC's own code nor a write of what has come; a second one ends whatever is waited for.
    """

    def __init__(self) -> None:
        self._came = False
        self._synthesis: Synthesis | None = None
        _on_interrupt(self._stop)

    def chunks(self, synthesis: Synthesis) -> Iterator[AudioChunk]:
        """The audio as it comes; KeyboardInterrupt in place of what Ctrl-C kept from coming."""
        self._synthesis = synthesis
        if self._came:
            synthesis.close()
        try:
            yield from synthesis
        except BarkClientError:
            if self._came:
                raise KeyboardInterrupt from None
            raise

    def is_over(self) -> None:
        """Further ones change nothing."""
        _on_interrupt(signal.SIG_IGN)

    def _stop(self, *_: object) -> None:
        _on_interrupt(signal.default_int_handler)
        self._came = True
        if self._synthesis is not None:
            self._synthesis.close()


def run_to_end_or_interrupt(work: Coroutine[Any, Any, None]) -> bool:
    """Runs it; whether Ctrl-C ended it. Once it has, further ones change nothing: they must break
    neither how the work ends nor what the caller then makes of it.
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
    """Only a process's first thread hears signals."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
