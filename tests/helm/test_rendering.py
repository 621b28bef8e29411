"""Every values file in ci/ passes Helm's lint, and renders to valid manifests."""

from pathlib import Path

import helm_python
import pytest
import yaml

from tests.helm.chart import CHART, VALUES_FILES, Release, release_of, values_of
from tests.helm.schemas import KUBERNETES_VERSIONS, check

_FILES = [*VALUES_FILES, CHART / "values.yaml"]
_WARNING = 2
_NEEDS = {"dra": "1.34", "pod-certificates": "1.35"}
"""Values that need a newer Kubernetes than the oldest one."""


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_helm_lint_has_no_complaints(path: Path) -> None:
    report = helm_python.lint(CHART, values_of(path), strict=True, namespace="speech")
    assert not report["errors"]
    assert [each for each in report["messages"] if each["severity"] >= _WARNING] == []


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_manifests_have_only_valid_keys(path: Path) -> None:
    manifests = release_of(path).manifests
    assert len(manifests) > 20
    since = _NEEDS.get(path.stem.removesuffix("-values"), KUBERNETES_VERSIONS[0])
    for manifest in manifests:
        for version in KUBERNETES_VERSIONS[KUBERNETES_VERSIONS.index(since) :]:
            check(manifest, version)


def test_unknown_key_in_a_manifest_is_found() -> None:
    release = Release(values_of(CHART / "ci/keda-values.yaml"))
    for kind, name, *path in [
        ("Deployment", "bark-coarse", "template", "spec"),
        ("ScaledObject", "bark-coarse", "advanced"),
        ("ServiceMonitor", "bark", "endpoints", 0),
    ]:
        manifest = release.one(kind, name)
        where = manifest["spec"]
        for step in path:
            where = where[step]
        where["readinesProbe"] = {}
        with pytest.raises(Exception, match="readinesProbe"):
            check(manifest, KUBERNETES_VERSIONS[0])


def test_names_are_unique_and_labels_consistent() -> None:
    manifests = Release(values_of(CHART / "ci/gateway-values.yaml")).manifests
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(names)) == len(names)
    for each in manifests:
        assert each["metadata"]["namespace"] == "speech"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "bark"


def test_long_release_name_makes_valid_names() -> None:
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render({"tls": {"enabled": False}}, name="a" * 53, namespace="speech")
    for text in rendered.values():
        for each in yaml.safe_load_all(text) if "kind:" in text else ():
            assert each is None or len(each["metadata"]["name"]) <= 63
