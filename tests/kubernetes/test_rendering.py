"""The chart rendered by Helm 3 and Helm 4, and judged by the schemas of the operators' sources."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, VALUES_FILES, Manifest, release_of
from tests.kubernetes.control_plane import BINARIES

VERSIONS = ("1.34.0", "1.35.0", "1.36.0", "1.37.0")
FILES = [*VALUES_FILES, CHART / "values.yaml"]
GROUPS = {
    "cert-manager.io", "gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com",
    "networking.gke.io",
}  # fmt: skip

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def helm(program: str, *words: str) -> str:
    """The output of one of the two programs; a failure fails the test."""
    done = subprocess.run([BINARIES / program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_versions_of_helm_are_tested() -> None:
    assert helm("helm", "version", "--template={{.Version}}").startswith("v4.")
    assert helm("3/helm", "version", "--template={{.Version}}").startswith("v3.")


@by_file
def test_helm_3_and_4_render_the_same_for_each_version(path: Path) -> None:
    words = ("template", "bark", str(CHART), "--namespace=speech", f"--values={path}")
    outputs = {
        helm(program, *words, f"--kube-version={version}")
        for program in ("helm", "3/helm")
        for version in VERSIONS
    }
    assert len(outputs) == 1
    rendered = [each for each in yaml.safe_load_all(outputs.pop()) if each]
    # tests/helm validates these strictly.
    expected = release_of(path).manifests
    assert sorted(map(_text, rendered)) == sorted(map(_text, expected))


@by_file
def test_both_versions_of_helm_lint_without_complaint(path: Path) -> None:
    for program in ("helm", "3/helm"):
        report = helm(program, "lint", "--strict", str(CHART), f"--values={path}")
        assert "1 chart(s) linted, 0 chart(s) failed" in report


def test_objects_of_operators_fit_their_sources() -> None:
    objects = [each for path in FILES for each in release_of(path).manifests]
    objects = [each for each in objects if each["apiVersion"].partition("/")[0] in GROUPS]
    assert {each["apiVersion"].partition("/")[0] for each in objects} == GROUPS
    assert _errors(objects) == [None] * len(objects)


@pytest.mark.parametrize(
    ("file", "kind", "name", "path", "value"),
    [
        ("gateway", "GRPCRoute", "bark", ("rules", 0, "backendRefs", 0, "port"), "fifty"),
        ("kgateway", "HTTPRoute", "bark", ("rules", 0, "timeouts", "request"), "an hour"),
        ("gateway", "BackendTLSPolicy", "bark", ("validation", "hostname"), 7),
        ("keda", "ScaledObject", "bark-coarse", ("maxReplicaCount",), "many"),
    ],
)
def test_wrong_value_is_found_by_the_sources(
    file: str, kind: str, name: str, path: tuple[Any, ...], value: Any
) -> None:
    manifest = copy.deepcopy(release_of(CHART / f"ci/{file}-values.yaml").one(kind, name))
    part = manifest["spec"]
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    (error,) = _errors([manifest])
    assert error is not None
    assert str(path[-1]) in error


def _errors(manifests: list[Manifest]) -> list[str | None]:
    script = (Path(__file__).parent / "validate.mjs").read_text()
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        cwd=BINARIES.parent / "models", input=json.dumps(manifests),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def _text(manifest: Manifest) -> str:
    return json.dumps(manifest, sort_keys=True)
