"""The live line: one that changes on a terminal, a few elsewhere."""

import asyncio
import io

import pytest

from barkclient.bench import progress
from barkclient.bench.level import Level
from barkclient.bench.progress import ProgressLine, describe, watch
from tests.barkclient.bench.records import FALTERING, MeasuredRun, stream

RUN = MeasuredRun(
    Level("closed", 4, count=20), stream(), stream(FALTERING, status="INTERNAL"), begun=5
)
LINE = "4 at once: 2 of 20 streams, 3 running, 1 failed, 3.0 s of audio in 10.0 s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_changes() -> None:
    line = ProgressLine(terminal := Terminal())
    line.show(RUN)
    line.end(RUN, "warm-up ")
    assert terminal.getvalue().split("\r\x1b[K") == ["", LINE, f"warm-up {LINE}\n"]


def test_a_log_has_a_line_each_few_seconds_and_one_at_the_end() -> None:
    line = ProgressLine(log := io.StringIO())
    line.show(RUN)
    line.show(RUN)  # at the same moment
    line.end(RUN)
    assert log.getvalue() == f"{LINE}\n{LINE}\n"


def test_an_open_loop_for_a_while() -> None:
    run = MeasuredRun(Level("open", 0.5, duration_s=30), stream())
    expected = "0.5 per second: 1 streams, started for 30 s, 2.0 s of audio in 10.0 s"
    assert describe(run) == expected


async def test_watching_notes_how_late_it_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = asyncio.Event()
    monkeypatch.setattr(progress, "_TICK_S", 0.001)
    monkeypatch.setattr(ProgressLine, "show", lambda *_: woken.set())
    run = MeasuredRun(Level("closed", 1, count=1))
    watcher = asyncio.create_task(watch(run, ProgressLine(io.StringIO())))
    await woken.wait()
    watcher.cancel()
    (lag_s,) = run.lags_s
    assert lag_s >= 0
