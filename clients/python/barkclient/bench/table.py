"""Renders the results of a benchmark as a table."""

from collections.abc import Sequence

from barkclient.bench.summary import LevelSummary, Percentiles

_HEAD = (
    ("", "streams", "TTFA ms", "C50", "C100", "C200", "largest", "RTF", "audio", "goodput"),
    ("", "ended/begun", "p50/p95/p99", "", "", "", "underrun", "p50/p95", "s/s", "s/s"),
)
# A longer delay of the client is a considerable part of the measured latency.
_MAX_DELAY_MS = 20.0


def render(summaries: Sequence[LevelSummary]) -> str:
    """Render a table by rising load, followed by remarks on failures."""
    ordered = sorted(summaries, key=lambda summary: summary.level.load)
    rows = [*_HEAD, *(_row(summary) for summary in ordered)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join(lines + [remark for summary in ordered for remark in _remarks(summary)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "  ".join(cells).rstrip()


def _row(summary: LevelSummary) -> tuple[str, ...]:
    largest = summary.underrun_ms.max
    return (
        summary.level.name,
        f"{summary.finished}/{summary.begun}",
        _three(summary.ttfa_ms),
        _share(summary.c50_share),
        _share(summary.c100_share),
        _share(summary.c200_share),
        "-" if largest is None else f"{largest:.0f} ms",
        f"{_number(summary.rtf.p50, 2)}/{_number(summary.rtf.p95, 2)}",
        _number(summary.audio_per_s, 2),
        _number(summary.goodput_audio_per_s, 2),
    )


def _remarks(summary: LevelSummary) -> list[str]:
    name, late_ms = summary.level.name, summary.lag_ms.p99
    remarks = [
        f"{name}: {count} failed with {status}: {summary.reasons[status]}"
        for status, count in summary.errors.items()
    ]
    if not summary.complete:
        remarks.append(f"{name}: interrupted after {summary.elapsed_s:.1f} s")
    if summary.stopped_early:
        remarks.append(f"{name}: stopped after {summary.elapsed_s:.1f} s, as it is not sustained")
    if late_ms is not None and late_ms > _MAX_DELAY_MS:
        remarks.append(
            f"{name}: the client's event loop was delayed by {late_ms:.0f} ms (p99), which adds to"
            " the latencies: run the client on its own core or machine"
        )
    return remarks


def _three(values: Percentiles) -> str:
    return "/".join(_number(value, 0) for value in (values.p50, values.p95, values.p99))


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
