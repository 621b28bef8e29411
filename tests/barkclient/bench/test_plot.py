"""The plot of a benchmark."""

import struct
from pathlib import Path

import pytest

from barkclient.bench.level import Level
from barkclient.bench.plot import draw
from barkclient.bench.summary import LevelSummary, summarize
from tests.barkclient.bench.records import UNDERRUN, MeasuredRun, stream

MEASURED = MeasuredRun(Level("closed", 2, count=2), stream(), stream(UNDERRUN))
NOTHING = MeasuredRun(Level("closed", 1, count=1))


@pytest.mark.parametrize("runs", [[MEASURED, NOTHING], [NOTHING], []], ids=len)
def test_draw_writes_a_png(tmp_path: Path, runs: list[MeasuredRun]) -> None:
    summaries: list[LevelSummary] = [summarize(run) for run in runs]
    draw(summaries, str(tmp_path / "plot"), "a title")
    content = (tmp_path / "plot").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (1440, 480)
