"""Draws the results of a benchmark. matplotlib is imported only when it draws."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from barkclient.bench.summary import LevelSummary
from barkclient.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Curve = tuple[str, Callable[[LevelSummary], float | None]]

_TTFA: Sequence[_Curve] = (
    ("p50", lambda summary: summary.ttfa_ms.p50),
    ("p95", lambda summary: summary.ttfa_ms.p95),
    ("p99", lambda summary: summary.ttfa_ms.p99),
)
_THROUGHPUT: Sequence[_Curve] = (
    ("all", lambda summary: summary.audio_per_s),
    ("goodput: of clean streams", lambda summary: summary.goodput_audio_per_s),
)
_CONTINUITY: Sequence[_Curve] = (
    ("C50", lambda summary: _percent(summary.c50_share)),
    ("C100", lambda summary: _percent(summary.c100_share)),
    ("C200", lambda summary: _percent(summary.c200_share)),
)
_PANELS: Sequence[tuple[str, Sequence[_Curve]]] = (
    ("time to first audio, ms", _TTFA),
    ("streams without underrun from a buffer, %", _CONTINUITY),
    ("audio seconds per second", _THROUGHPUT),
)
_AXIS = {"closed": "streams at once", "open": "arrivals per second"}


def check_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        InvalidRequest: it is not.
    """
    if find_spec("matplotlib") is None:
        raise InvalidRequest("--plot needs matplotlib: pip install 'barkclient[bench]'")


def draw(summaries: Sequence[LevelSummary], path: str, title: str) -> None:
    """Write a PNG with one panel per quantity and the levels by rising load."""
    from matplotlib.figure import Figure

    ordered = sorted(summaries, key=lambda summary: summary.level.load)
    figure = Figure(figsize=(12, 4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    panels = figure.subplots(1, len(_PANELS))
    for axes, (name, curves) in zip(panels, _PANELS, strict=True):
        _panel(axes, name, curves, ordered)
    figure.savefig(path, format="png", dpi=120)


def _panel(
    axes: "Axes", name: str, curves: Sequence[_Curve], summaries: Sequence[LevelSummary]
) -> None:
    loads = [f"{summary.level.load:g}" for summary in summaries]
    for label, value_of in curves:
        values = [value_of(summary) for summary in summaries]
        known = [float("nan") if value is None else value for value in values]
        axes.plot(loads, known, marker="o", label=label)
    axes.set_title(name, fontsize="medium")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if summaries:
        axes.set_xlabel(_AXIS[summaries[0].level.loop])
    axes.legend()


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
