"""Alerts and dashboards that the chart installs for Prometheus and Grafana."""

import json

import yaml

from tests.helm.chart import CHART, Release, ci

DASHBOARDS = {path.name: path for path in (CHART / "files/dashboards").glob("*.json")}


def test_alerts_are_those_of_the_file() -> None:
    release = Release(ci("gpu"))
    rule = release.one("PrometheusRule", "bark")
    assert rule["spec"] == yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert Release().all("PrometheusRule") == {}


def test_each_dashboard_is_in_a_labeled_config_map() -> None:
    """Grafana's sidecar loads every file of the ConfigMaps with its label."""
    found = Release(ci("gpu")).all("ConfigMap").values()
    files = {name: text for each in found for name, text in each["data"].items()}
    assert files.keys() == DASHBOARDS.keys()
    for name, text in files.items():
        assert json.loads(text) == json.loads(DASHBOARDS[name].read_text())
    for each in found:
        assert len(each["data"]) == 1
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"]["grafana_folder"] == "Speech"


def test_dashboards_may_be_in_the_namespace_of_grafana() -> None:
    dashboards = {"enabled": True, "namespace": "grafana", "labels": {"mine": "yes"}}
    found = Release({"metrics": {"dashboards": dashboards}}).all("ConfigMap")
    assert len(found) == len(DASHBOARDS)
    for each in found.values():
        assert each["metadata"]["namespace"] == "grafana"
        assert each["metadata"]["labels"]["mine"] == "yes"
    assert Release().all("ConfigMap") == {}
