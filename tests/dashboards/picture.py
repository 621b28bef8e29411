"""Draws a dashboard from the answers of Prometheus, in the places where Grafana puts its panels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.dashboards.boards import FOLDER

mpl.use("Agg")
import matplotlib.pyplot as plt

Curves = list[tuple[str, list[float], list[float]]]
"""Name, seconds and values of each series."""

_COLUMNS, _INCHES_PER_COLUMN, _INCHES_PER_LINE = 24, 0.75, 0.38
_SCALES = {"percentunit": (100, "%"), "bytes": (2.0**-30, "GiB"), "s": (1, "s"), "reqps": (1, "/s")}


def draw(board: str, curves_of: Callable[[str, str], Curves], file: Path) -> None:
    """Draw a dashboard.

    Args:
        board: its file name without the suffix.
        curves_of: reads the curves of an expression with a legend.
        file: the picture to write.
    """
    panels = json.loads((FOLDER / f"{board}.json").read_text())["panels"]
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(_COLUMNS * _INCHES_PER_COLUMN, lines * _INCHES_PER_LINE))
    for panel in panels:
        place = panel["gridPos"]
        box = (
            (place["x"] + 0.9) / _COLUMNS,
            1 - (place["y"] + place["h"] - 0.9) / lines,
            (place["w"] - 1.2) / _COLUMNS,
            (place["h"] - 2.2) / lines,
        )
        if panel["type"] == "row":
            at = (0.01, 1 - (place["y"] + 0.7) / lines)
            figure.text(*at, panel["title"], fontsize=13, weight="bold")
            continue
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=10, loc="left")
        _draw_panel(axes, panel, curves_of)
    figure.savefig(file, dpi=70)
    plt.close(figure)


def _draw_panel(axes: Any, panel: dict[str, Any], curves_of: Callable[[str, str], Curves]) -> None:
    scale, sign = _SCALES.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    curves = [
        curve
        for each in panel["targets"]
        for curve in curves_of(each["expr"], each["legendFormat"])
    ]
    if panel["type"] == "stat":
        axes.axis("off")
        shown = "\n".join(
            f"{name} {scale * values[-1]:.3g} {sign}".strip() for name, _, values in curves
        )
        axes.text(0, 0.4, shown, fontsize=20)
        return
    for name, seconds, values in curves:
        axes.plot(seconds, [scale * value for value in values], label=name, linewidth=1.2)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.set_ylabel(sign, fontsize=8)
    if len(curves) <= 8:
        axes.legend(fontsize=7, loc="upper left")
