"""Renders the chart with Helm, and parses the manifests."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from barkserve import services

CHART = Path(__file__).parents[2] / "helm/barkserve"
PRODUCTION = CHART / "values-production.yaml"
VALUES_FILES = [*sorted((CHART / "ci").glob("*-values.yaml")), PRODUCTION]
SERVICES = tuple(entry.name for entry in services.SERVICES)
GRPC_SERVICES = tuple(entry.name for entry in services.GRPC_SERVICES)

Manifest = dict[str, Any]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def values_of(path: Path) -> dict[str, Any]:
    """Read a values file."""
    return dict(yaml.safe_load(path.read_text()))


def ci(name: str) -> dict[str, Any]:
    """The values of ci/NAME-values.yaml."""
    return values_of(CHART / "ci" / f"{name}-values.yaml")


class Release:
    """The manifests of `helm install bark` in the namespace `speech`.

    Args:
        values: the values that differ from values.yaml.

    Raises:
        helm_python.HelmError: the values are rejected; the message says why.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        with helm_python.Chart.load(CHART) as chart:
            chart.validate_schema(dict(values or {}))
            rendered = chart.render(dict(values or {}), name="bark", namespace="speech")
        self.notes = rendered.pop("barkserve/templates/NOTES.txt", "")
        texts = (text for path, text in rendered.items() if path.endswith(".yaml"))
        documents = (each for text in texts for each in yaml.load_all(text, Loader=_Loader))
        self.manifests: list[Manifest] = [each for each in documents if each]

    def all(self, kind: str) -> dict[str, Manifest]:
        """All manifests of a kind, by name."""
        return {each["metadata"]["name"]: each for each in self.manifests if each["kind"] == kind}

    def one(self, kind: str, name: str) -> Manifest:
        """One manifest."""
        return self.all(kind)[name]

    def pod(self, service: str) -> Manifest:
        """The pod spec of a service's Deployment."""
        return dict(self.one("Deployment", f"bark-{service}")["spec"]["template"]["spec"])

    def container(self, service: str) -> Manifest:
        """The container that runs a service."""
        (container,) = self.pod(service)["containers"]
        return dict(container)

    def volume(self, service: str, name: str) -> Manifest:
        """A volume of a service's pod, without its name."""
        (found,) = (each for each in self.pod(service)["volumes"] if each["name"] == name)
        return {key: value for key, value in found.items() if key != "name"}


def complaints(values: Mapping[str, Any]) -> str:
    """What the chart says about values that do not fit together."""
    with pytest.raises(helm_python.HelmError, match="do not fit together") as caught:
        Release(values)
    return str(caught.value)


@cache
def release_of(path: Path) -> Release:
    """The release with the values of a file; tests must not change it."""
    return Release(values_of(path))
