"""Plots of the results: decode steps, utterances, and the server under load."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from barkclient.bench.results import Result, Results


def draw(results: Results, path: Path) -> None:
    """Write a PNG with four panels."""
    figure = Figure(figsize=(15, 8), layout="constrained")
    (steps, utterances), (latency, continuity) = figure.subplots(2, 2)
    _draw_steps(steps, results.of("steps"))
    _draw_utterances(utterances, results.of("utterance"))
    levels = [each for each in results.of("load") if each.case.get("loop") == "closed"]
    _lines(latency, levels, "load", "ttfa_ms", "p50")
    latency.set(title="time to first audio, p50, ms", xlabel="streams at once", ylim=(0, None))
    for share in ("c50_share", "c100_share", "c200_share"):
        _lines(continuity, levels, "load", share)
    continuity.set(title="C50, C100, C200", xlabel="streams at once", ylim=(0, 1.05))
    figure.savefig(path, format="png", dpi=100)


def _draw_steps(axes: Axes, results: Sequence[Result]) -> None:
    modes = {(each.case["part"], each.case.get("deterministic")) for each in results}
    for part, deterministic in sorted(modes, key=str):
        of_mode = [
            each
            for each in results
            if (each.case["part"], each.case.get("deterministic")) == (part, deterministic)
        ]
        name = f"{part}, deterministic {deterministic}"
        _lines(axes, of_mode, "streams", "step_ms", name=name)
    axes.set(title="decode step, ms", xlabel="streams at once", ylim=(0, None))


def _draw_utterances(axes: Axes, results: Sequence[Result]) -> None:
    rows = {_label(each, "streams"): each.metrics.get("seconds") for each in results}
    known = {name: seconds for name, seconds in rows.items() if isinstance(seconds, float)}
    axes.barh(list(known), list(known.values()))
    axes.invert_yaxis()
    axes.set(title="whole work, seconds")


def _lines(
    axes: Axes,
    results: Sequence[Result],
    over: str,
    metric: str,
    percentile: str | None = None,
    name: str | None = None,
) -> None:
    """Draw one line for each shape."""
    for shape in dict.fromkeys(each.case["shape"] for each in results):
        points = sorted(_points(results, shape, over, metric, percentile))
        if points:
            x, y = zip(*points, strict=True)
            axes.plot([f"{each:g}" for each in x], y, "o-", label=f"{shape}, {name or metric}")
    if axes.has_data():
        axes.legend(fontsize="small")


def _points(
    results: Iterable[Result], shape: object, over: str, metric: str, percentile: str | None
) -> Iterable[tuple[float, float]]:
    for each in results:
        value: Any = each.metrics.get(metric)
        if percentile is not None and value is not None:
            value = value[percentile]
        if each.case["shape"] == shape and value is not None:
            yield float(each.case[over] or 0), float(value)


def _label(result: Result, *names: str) -> str:
    case = result.case
    words = [case.get(name) for name in ("side", "attention", "shape", "part", *names)]
    return " ".join(str(word) for word in words if word is not None)
