"""Writes the dashboards into the chart: python -m tools.dashboards."""

from pathlib import Path

from tools.dashboards.generate import dashboard_json
from tools.dashboards.panels import BOARDS

FOLDER = Path(__file__).parents[2] / "helm/barkserve/files/dashboards"


def main() -> None:
    """Write one file for each dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(dashboard_json(name, board))


if __name__ == "__main__":
    main()
