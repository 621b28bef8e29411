"""Shows the progress of a level, and measures the delays of the client's event loop."""

import asyncio
from typing import TextIO

from barkclient.bench.level_run import LevelRun

_CLEAR_LINE = "\r\x1b[K"
_TICK_S = 0.1
_LOG_EVERY_S = 5.0


class ProgressLine:
    """A line that is updated on a terminal. Elsewhere, a line every few seconds and at the end."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._same_line = output.isatty()
        self._next_log_s = _LOG_EVERY_S

    def show(self, run: LevelRun, prefix: str = "") -> None:
        """Show a level that is running."""
        if self._same_line:
            self._output.write(_CLEAR_LINE + prefix + describe(run))
            self._output.flush()
        elif run.elapsed_s >= self._next_log_s:
            self._next_log_s = run.elapsed_s + _LOG_EVERY_S
            print(prefix + describe(run), file=self._output, flush=True)

    def end(self, run: LevelRun, prefix: str = "") -> None:
        """Print how a level ended, and prepare for the next."""
        clear = _CLEAR_LINE if self._same_line else ""
        print(clear + prefix + describe(run), file=self._output, flush=True)
        self._next_log_s = _LOG_EVERY_S


def describe(run: LevelRun) -> str:
    """Describe a level in one line: streams, failures, audio, time."""
    level, ended = run.level, len(run.streams)
    streams = f"{ended} of {level.count} streams"
    if level.duration_s is not None:
        streams = f"{ended} streams, started for {level.duration_s:g} s"
    failed = f"{run.failed} failed, " if run.failed else ""
    audio_s = sum(stream.audio_s for stream in run.streams)
    running = f"{run.begun - ended} running, " if run.begun > ended else ""
    return f"{level.name}: {streams}, {running}{failed}{audio_s:.1f} s of audio in " + (
        f"{run.elapsed_s:.1f} s"
    )


async def watch(run: LevelRun, line: ProgressLine, prefix: str = "") -> None:
    """Show a level until cancelled, and record the delay of each wake-up."""
    while True:
        due_at = run.clock() + _TICK_S
        await asyncio.sleep(_TICK_S)
        run.lags_s.append(max(0.0, run.clock() - due_at))
        line.show(run, prefix)
