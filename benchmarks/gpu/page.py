"""A page of all results: a table for each section, and plots if matplotlib is installed.

python -m benchmarks.gpu.page RESULTS.json
"""

import html
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from barkclient.bench.results import Result, Results, read_results

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .7rem; text-align: right }
th:first-child, td:first-child { text-align: left }
.failed, .timeout { color: #b00020 } .skipped, .interrupted { color: #777 }
img { max-width: 100% }
"""


def write_page(results: Results, file: Path) -> Path:
    """Write the page next to the results file, and its plot. Returns the page."""
    plot = file.with_suffix(".png")
    if find_spec("matplotlib") is not None:
        from benchmarks.gpu.plot import draw

        draw(results, plot)
    page = file.with_suffix(".html")
    page.write_text(render(results, plot.name if plot.exists() else None), "utf-8")
    return page


def render(results: Results, plot: str | None) -> str:
    """Render the page."""
    sections = dict.fromkeys(result.section for result in results.results)
    machine = {**results.machine, **results.method, "measured": results.ended_at}
    parts = [
        "<!doctype html><meta charset=utf-8><title>barkserve on one card</title>",
        f"<style>{_STYLE}</style><h1>{_text(results.machine.get('gpu') or 'CPU')}</h1>",
        _definitions(machine),
        f'<p><img src="{html.escape(plot)}" alt="Plots of the tables below">' if plot else "",
        *(f"<h2>{_text(name)}</h2>{_table(results.of(name))}" for name in sections),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _definitions(values: Mapping[str, Any]) -> str:
    items = (f"<li>{_text(name)}: {_text(value)}" for name, value in values.items() if value)
    return f"<ul>{''.join(items)}</ul>"


def _table(results: Sequence[Result]) -> str:
    cases = list(dict.fromkeys(name for result in results for name in result.case))
    rows = [_flat(result.metrics) for result in results]
    metrics = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{_text(name)}" for name in (*cases, *metrics, "status"))
    lines = []
    for result, row in zip(results, rows, strict=True):
        cells = [result.case.get(name) for name in cases] + [row.get(name) for name in metrics]
        status = f"{result.status} {result.message}".strip()
        lines.append(
            f"<tr class={result.status}>"
            + "".join(f"<td>{_text(cell)}" for cell in (*cells, status))
        )
    return f"<table><tr>{head}{''.join(lines)}</table>"


def _flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give percentiles columns of their own."""
    flat: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {part}": each for part, each in value.items() if part != "max"}
        else:
            flat[name] = value
    return flat


def _text(value: object) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))


if __name__ == "__main__":
    print(write_page(read_results(Path(sys.argv[1])), Path(sys.argv[1])))
