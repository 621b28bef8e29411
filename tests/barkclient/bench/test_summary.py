"""Statistics of a level against examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench.level import Level
from barkclient.bench.stream import Arrival
from barkclient.bench.summary import (
    Percentiles,
    audio_within_s,
    cannot_be_sustained,
    continuous_share,
    summarize,
)
from tests.barkclient.bench.records import SMOOTH, UNDERRUN, MeasuredRun, stream

LEVEL = Level("closed", 2, count=3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], (7, 7, 7, 7)),
        ([2.0, 1.0], (1, 2, 2, 2)),
        ([float(n) for n in range(20, 0, -1)], (10, 19, 20, 20)),
        ([float(n) for n in range(1, 101)], (50, 95, 99, 100)),
        ([float(n) for n in range(1, 202)], (101, 191, 199, 201)),
    ],
    ids=["1 value", "2 values", "20 values", "100 values", "201 values"],
)
def test_percentiles_of_examples(values: list[float], expected: tuple[float, ...]) -> None:
    assert Percentiles.of(values) == Percentiles(*expected)


def test_percentiles_of_nothing_and_with_scale() -> None:
    assert Percentiles.of([]) == Percentiles(None, None, None, None)
    assert Percentiles.of([0.25], 1000) == Percentiles(250, 250, 250, 250)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentile_is_smallest_value_of_its_rank(values: list[float]) -> None:
    percentiles = Percentiles.of(values)
    assert percentiles.max == max(values)
    for percent, value in ((50, percentiles.p50), (95, percentiles.p95), (99, percentiles.p99)):
        assert value is not None
        assert value in values
        assert 100 * sum(other <= value for other in values) >= percent * len(values)
        assert 100 * sum(other < value for other in values) < percent * len(values)


def test_summarize_an_example() -> None:
    broken = stream(SMOOTH[:1], status="UNAVAILABLE", message="broke off")
    run = MeasuredRun(LEVEL, stream(UNDERRUN), stream(SMOOTH, begun_s=3.25), broken, begun=4)
    summary = summarize(run)
    assert (summary.begun, summary.finished, summary.failed) == (4, 2, 1)
    assert (summary.errors, summary.reasons) == ({"UNAVAILABLE": 1}, {"UNAVAILABLE": "broke off"})
    assert summary.ttfa_ms == Percentiles(500, 1000, 1000, 1000)
    assert summary.gap_ms == Percentiles(500, 750, 750, 750)  # 750 and 250; 500
    assert summary.rtf == Percentiles(0.5, 2, 2, 2)
    assert summary.underrun_ms == Percentiles(0, 250, 250, 250)
    assert summary.longest_silence_ms == Percentiles(0, 250, 250, 250)
    assert summary.audio_s == 3
    assert (summary.elapsed_s, summary.window_s) == (10, 4)
    assert summary.audio_per_s == 0.5  # audio that arrived at 4.25 s does not count
    assert summary.goodput_audio_per_s == 0.25  # of the second stream; the first has an underrun
    assert summary.goodput_streams_per_s == 0.1
    assert summary.mean_streams == (4 + 0.75 + 4) / 4
    assert summary.max_streams == 3
    shares = (summary.c0_share, summary.c50_share, summary.c100_share, summary.c200_share)
    assert shares == (1 / 3,) * 4
    assert not summary.sustained


def test_reasons_are_first_messages() -> None:
    failures = [stream((), status="INTERNAL", message=message) for message in ("one", "two")]
    summary = summarize(MeasuredRun(LEVEL, *failures))
    assert (summary.errors, summary.reasons) == ({"INTERNAL": 2}, {"INTERNAL": "one"})


def test_summarize_level_without_finished_streams() -> None:
    summary = summarize(MeasuredRun(LEVEL, begun=1))
    assert summary.ttfa_ms.p50 is None
    assert summary.audio_per_s == 0
    assert summary.c100_share is None
    assert not summary.sustained


def test_audio_within_counts_by_arrival() -> None:
    assert audio_within_s([stream(SMOOTH, begun_s=1.0)], 1.4) == 0
    assert audio_within_s([stream(SMOOTH, begun_s=1.0)], 1.5) == 1
    assert audio_within_s([stream(SMOOTH, begun_s=1.0), stream(SMOOTH)], 2.0) == 4


def test_continuous_share_sums_silence_per_stream() -> None:
    streams = [stream(UNDERRUN), stream(SMOOTH)]
    assert continuous_share(streams, 0.0) == 0.5
    assert continuous_share(streams, 0.25) == 1.0


@pytest.mark.parametrize(("smooth", "sustained"), [(99, True), (98, False)])
def test_sustained_means_99_percent_of_streams(smooth: int, sustained: bool) -> None:
    streams = [stream(SMOOTH)] * smooth + [stream(UNDERRUN)] * (100 - smooth)
    assert summarize(MeasuredRun(LEVEL, *streams)).sustained is sustained


def test_single_failure_is_not_sustained() -> None:
    streams = [stream(SMOOTH)] * 999 + [stream((), status="INTERNAL")]
    assert not summarize(MeasuredRun(LEVEL, *streams)).sustained


@pytest.mark.parametrize(
    ("silence_ms", "expected"),
    [
        (0, (1, 1, 1, 1)),
        (1, (0, 1, 1, 1)),
        (50, (0, 1, 1, 1)),
        (51, (0, 0, 1, 1)),
        (100, (0, 0, 1, 1)),
        (200, (0, 0, 0, 1)),
        (201, (0, 0, 0, 0)),
    ],
)
def test_continuity_counts_by_buffer(silence_ms: int, expected: tuple[int, ...]) -> None:
    late = (Arrival(0.25, 0.5), Arrival(0.75 + silence_ms / 1000, 0.5))
    summary = summarize(MeasuredRun(LEVEL, stream(late)))
    shares = (summary.c0_share, summary.c50_share, summary.c100_share, summary.c200_share)
    assert shares == expected


def test_underrun_sums_silences_and_longest_is_one() -> None:
    """Four silences of 40 ms: clean for a method that looks at the longest only."""
    arrivals = tuple(Arrival(0.5 + 0.14 * index, 0.1) for index in range(5))
    summary = summarize(MeasuredRun(LEVEL, stream(arrivals)))
    assert summary.underrun_ms.max == pytest.approx(160)
    assert summary.longest_silence_ms.max == pytest.approx(40)
    assert (summary.c100_share, summary.c200_share) == (0, 1)
    assert summary.goodput_audio_per_s == 0


@pytest.mark.parametrize(
    ("count", "missed", "hopeless"),
    [(20, 0, False), (20, 1, True), (100, 1, False), (100, 2, True), (1000, 10, False)],
)
def test_level_is_hopeless_after_enough_missed_streams(
    count: int, missed: int, hopeless: bool
) -> None:
    run = MeasuredRun(Level("open", 1, count=count), *[stream(UNDERRUN)] * missed, stream())
    assert cannot_be_sustained(run) is hopeless


def test_level_is_hopeless_after_the_first_failure() -> None:
    run = MeasuredRun(Level("open", 1, count=1000), stream((), status="INTERNAL"))
    assert cannot_be_sustained(run)
