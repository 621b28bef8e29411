"""The table of results."""

from barkclient.bench.level import Level
from barkclient.bench.summary import summarize
from barkclient.bench.table import render
from tests.barkclient.bench.records import UNDERRUN, MeasuredRun, stream


def test_rows_are_levels_by_rising_load() -> None:
    fast = MeasuredRun(Level("closed", 2, count=2), stream(), stream())
    slow = MeasuredRun(Level("closed", 16, count=2), stream(UNDERRUN), stream(), begun=3)
    *_, first, second = render([summarize(slow), summarize(fast)]).splitlines()
    both = [" ".join(row.split()) for row in (first, second)]
    assert both == [
        "2 at once 2/2 500/500/500 100.0% 100.0% 100.0% 0 ms 0.50/0.50 1.00 1.00",
        "16 at once 2/3 500/1000/1000 50.0% 50.0% 50.0% 250 ms 0.50/2.00 0.75 0.50",
    ]


def test_columns_are_aligned() -> None:
    runs = [MeasuredRun(Level("open", rate, count=1), stream()) for rate in (0.5, 100)]
    lines = render([summarize(run) for run in runs]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line[:14] for line in lines] == [" " * 14, " " * 14, "0.5 per second", "100 per second"]


def test_unknown_values_are_dashes() -> None:
    table = render([summarize(MeasuredRun(Level("closed", 1, count=1), begun=1))])
    assert table.splitlines()[2].split()[4:] == ["-/-/-", "-", "-", "-", "-", "-/-", "0.00", "0.00"]


def test_remarks_list_failures_and_delays() -> None:
    full = [stream((), status="RESOURCE_EXHAUSTED", message="all slots are taken")] * 2
    run = MeasuredRun(Level("closed", 1, count=3), *full, stream((), status="INTERNAL"))
    run.complete = False
    run.lags_s = [0.001, 0.034]
    full_line, internal, interrupted, late = render([summarize(run)]).splitlines()[3:]
    assert full_line == "1 at once: 2 failed with RESOURCE_EXHAUSTED: all slots are taken"
    assert internal.startswith("1 at once: 1 failed with INTERNAL")
    assert interrupted == "1 at once: interrupted after 10.0 s"
    assert late.startswith("1 at once: the client's event loop was delayed by 34 ms (p99)")
