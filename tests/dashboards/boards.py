"""The dashboards as Grafana gets them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.helm.chart import CHART

FOLDER = CHART / "files/dashboards"


@dataclass(frozen=True)
class Query:
    """One query of a panel.

    Attributes:
        board: file name of the dashboard without its suffix.
        panel: title of the panel.
        expression: PromQL with Grafana's variables.
        legend: template of the names of its series.
        unit: of the panel.
        is_number: whether the panel shows only the last value.
    """

    board: str
    panel: str
    expression: str
    legend: str
    unit: str
    is_number: bool

    def filled(self, stage: str, rate: str) -> str:
        """The expression with values for Grafana's variables."""
        text = self.expression.replace("$namespace", ".*").replace("$stage", stage)
        return text.replace("$__rate_interval", rate)


def queries() -> Iterator[Query]:
    """All queries of all dashboards."""
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield Query(
                    file.stem,
                    panel["title"],
                    target["expr"],
                    target["legendFormat"],
                    panel["fieldConfig"]["defaults"]["unit"],
                    panel["type"] == "stat",
                )
