"""Plots of `benchmarks.stages`: time and memory of each part, and throughput of many streams."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ORDER = ("semantic", "coarse", "fine", "codec", "chain")
Rows = Mapping[str, Mapping[str, float]]
COLORS = {"transformers": "#b0b7bf", "barkserve": "#2a6f97", "barkserve, first output": "#8ecae6"}


def plot(rows: Rows, file: Path) -> None:
    """Plot time, memory and throughput in three panels; a panel without data is left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(15, 4), layout="constrained")
    several = {name: row for name, row in rows.items() if name.endswith("streams")}
    alone = {name: row for name, row in rows.items() if name not in several}
    alone = dict(sorted(alone.items(), key=lambda item: ORDER.index(_part(item[0]))))
    if alone:
        _plot_alone(left, middle, alone)
    if several:
        _lines(right, several)
    for axes in (left, middle, right):
        axes.set_visible(axes.has_data())
    figure.savefig(file, dpi=90)
    pyplot.close(figure)


def _plot_alone(left: Any, middle: Any, rows: Rows) -> None:
    bars = {"transformers": "transformers_s", "barkserve": "barkserve_s"}
    _bars(left, rows, bars | {"barkserve, first output": "barkserve_first_s"})
    left.set(xlabel="seconds", xscale="log")
    left.legend(fontsize="small", loc=(0.5, 0.22))  # next to the codec's short bar
    bars = {"transformers": "transformers_mb", "barkserve": "barkserve_mb"}
    _bars(middle, rows, bars)
    middle.set(xlabel="resident memory of the process (MB)", yticklabels=[])


def _bars(axes: Any, rows: Rows, sides: Mapping[str, str]) -> None:
    height = 0.8 / len(sides)
    for index, (label, key) in enumerate(sides.items()):
        positions = [row + index * height for row in range(len(rows))]
        values = [row.get(key, 0) for row in rows.values()]
        axes.barh(positions, values, height, label=label, color=COLORS[label])
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(rows))], list(rows))
    axes.invert_yaxis()


def _lines(axes: Any, rows: Rows) -> None:
    for part, marker in zip(ORDER, "osD^v", strict=True):
        part_rows = [row for name, row in rows.items() if _part(name) == part]
        part_rows.sort(key=lambda row: row["streams"])
        for side, style in (("transformers", "--"), ("barkserve", "-")):
            if not (known := [row for row in part_rows if f"{side}_s" in row]):
                continue
            rates = [row["streams"] * row["audio_s"] / row[f"{side}_s"] for row in known]
            streams = [row["streams"] for row in known]
            line_style = {"marker": marker, "color": COLORS[side], "linestyle": style}
            axes.plot(streams, rates, label=f"{side}, {part}", **line_style)
    ticks = sorted({int(row["streams"]) for row in rows.values()})
    axes.set(xlabel="streams at once", ylabel="seconds of audio per second", xscale="log")
    axes.set(yscale="log")
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))


def _part(name: str) -> str:
    return name.split(",")[0]
