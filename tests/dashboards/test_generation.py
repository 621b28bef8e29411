"""The dashboards in the chart are those of tools/dashboards, and their metrics exist."""

import json
import re

import pytest
import yaml

from barkserve.serving.metric_catalog import CATALOG
from tests.alerts.test_alerts import RULES
from tests.dashboards.boards import FOLDER, queries
from tools.dashboards.generate import dashboard_json
from tools.dashboards.panels import BOARDS

PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
PROCESS |= {"process_start_time_seconds"}  # of prometheus_client


@pytest.mark.parametrize("name", BOARDS)
def test_dashboard_file_is_generated(name: str) -> None:
    message = "run make dashboards"
    assert (FOLDER / f"{name}.json").read_text() == dashboard_json(name, BOARDS[name]), message


def test_no_other_dashboard_is_in_the_chart() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(BOARDS)


def test_dashboards_use_metrics_and_rules_that_exist() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    recorded = {rule["record"] for rule in rules}
    exported = {spec.exported_name for spec in CATALOG.values()}
    used = 0
    for query in queries():
        for name in re.findall(r"\b[a-z_]+(?::\w+)*(?=\{)", query.expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in PROCESS | recorded | exported or base in exported, name
            used += 1
    assert used > 50


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_own_numbers_and_do_not_overlap(name: str) -> None:
    panels = json.loads((FOLDER / f"{name}.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    covered = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) == 23


def test_every_alert_of_a_panel_exists() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    texts = [file.read_text() for file in FOLDER.iterdir()]
    named = {name for text in texts for name in re.findall(r"\bBarkserve\w+", text)}
    assert len(named) >= 6
    assert named <= alerts
