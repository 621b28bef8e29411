"""Writes the tables of docs/metrics.md from the catalog: python -m tools.metrics_table."""

import re
from collections.abc import Sequence
from pathlib import Path

from barkserve.constants import STAGES
from barkserve.serving.metric_catalog import CATALOG, MetricSpec

PAGE = Path(__file__).parents[1] / "docs/metrics.md"
_HEAD = "| metric | type | labels | services | meaning |\n|---|---|---|---|---|\n"
_TABLE = re.compile(r"(?<=<!-- metrics -->\n)(.*?)(?=<!-- end of metrics -->)", re.DOTALL)
_NAMES = {
    ("orchestrator", *STAGES, "gateway", "autoscaler"): "all",
    STAGES: "stages",
}


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(with_table(PAGE.read_text()))


def with_table(page: str) -> str:
    """The page with the table of the present catalog."""
    return _TABLE.sub(lambda _: table(), page)


def table() -> str:
    """The table of all metrics, in the order of the catalog."""
    return _HEAD + "".join(map(_row, CATALOG.values()))


def _row(spec: MetricSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    meaning = spec.description + (f". Needs {_code(spec.condition)}" if spec.condition else "")
    cells = (f"`{spec.exported_name}`", spec.kind, labels, _services(spec.services), meaning)
    return "| " + " | ".join(cells) + " |\n"


def _services(services: Sequence[str]) -> str:
    return _NAMES.get(tuple(services), ", ".join(services))


def _code(condition: str) -> str:
    return f"`{condition}`" if condition.startswith("--") else condition


if __name__ == "__main__":
    main()
