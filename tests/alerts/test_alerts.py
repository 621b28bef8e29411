"""The alert rules: promtool checks them, and each has a runbook and metrics that exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from barkserve.serving.metric_catalog import CATALOG
from tests.helm.chart import CHART, Release

ROOT = Path(__file__).parents[2]
RULES = CHART / "files/alerts.yaml"
CASES = Path(__file__).with_name("alerts.test.yaml")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def promtool() -> str | None:
    folder = Path(os.environ.get("PROMETHEUS", ".")).resolve() / "usr/bin"
    return shutil.which("promtool", path=f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(promtool() is None, reason="make test-alerts fetches promtool")
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    for path in (RULES, CASES):
        shutil.copy(path, tmp_path)
    for words in (("check", "rules", RULES.name), ("test", "rules", CASES.name)):
        program = subprocess.run(
            [str(promtool()), *words], cwd=tmp_path, text=True, capture_output=True, check=False
        )
        assert program.returncode == 0, program.stdout + program.stderr


def test_every_alert_is_tested_to_fire_and_to_stay_quiet() -> None:
    healthy, unhealthy, *_ = yaml.safe_load(CASES.read_text())["tests"]
    names = {rule["alert"] for rule in alerts()}
    quiet = {each["alertname"] for each in healthy["alert_rule_test"] if not each["exp_alerts"]}
    fires = {each["alertname"] for each in unhealthy["alert_rule_test"] if each["exp_alerts"]}
    assert names == quiet == fires


def test_every_alert_has_a_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        link = rule["annotations"]["runbook_url"]
        assert link.endswith(f"/docs/runbooks.md#{rule['alert'].lower()}")


def test_metrics_of_the_rules_exist_in_the_program() -> None:
    names = {spec.exported_name for spec in CATALOG.values()}
    for name in re.findall(r"\bbarkserve_\w+", RULES.read_text()):
        assert name in names or re.sub(r"_(bucket|count)$", "", name) in names, name


def test_chart_installs_the_rules() -> None:
    metrics = {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}
    rule = Release({"metrics": metrics}).one("PrometheusRule", "bark")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert Release().all("PrometheusRule") == {}
