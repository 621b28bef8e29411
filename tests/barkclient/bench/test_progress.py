"""Progress of a level: one updated line on a terminal, a few lines elsewhere."""

import asyncio
import io

import pytest

from barkclient.bench import progress
from barkclient.bench.level import Level
from barkclient.bench.progress import ProgressLine, describe, watch
from tests.barkclient.bench.records import UNDERRUN, MeasuredRun, stream

RUN = MeasuredRun(
    Level("closed", 4, count=20), stream(), stream(UNDERRUN, status="INTERNAL"), begun=5
)
LINE = "4 at once: 2 of 20 streams, 3 running, 1 failed, 3.0 s of audio in 10.0 s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_shows_one_updated_line() -> None:
    line = ProgressLine(terminal := Terminal())
    line.show(RUN)
    line.end(RUN, "warm-up ")
    assert terminal.getvalue().split("\r\x1b[K") == ["", LINE, f"warm-up {LINE}\n"]


def test_log_has_a_line_every_few_seconds_and_at_the_end() -> None:
    line = ProgressLine(log := io.StringIO())
    line.show(RUN)
    line.show(RUN)  # at the same moment
    line.end(RUN)
    assert log.getvalue() == f"{LINE}\n{LINE}\n"


def test_describe_open_loop_with_duration() -> None:
    run = MeasuredRun(Level("open", 0.5, duration_s=30), stream())
    expected = "0.5 per second: 1 streams, started for 30 s, 2.0 s of audio in 10.0 s"
    assert describe(run) == expected


async def test_watch_records_wake_up_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = asyncio.Event()
    monkeypatch.setattr(progress, "_TICK_S", 0.001)
    monkeypatch.setattr(ProgressLine, "show", lambda *_: woken.set())
    run = MeasuredRun(Level("closed", 1, count=1))
    watcher = asyncio.create_task(watch(run, ProgressLine(io.StringIO())))
    await woken.wait()
    watcher.cancel()
    (lag_s,) = run.lags_s
    assert lag_s >= 0
