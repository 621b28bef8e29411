"""A release of the chart in its own namespace, installed by helm.

All methods block; tests with streams call them in threads.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.helm.chart import CHART
from tests.kubernetes.control_plane import ControlPlane

NAME = "bark"
# The API server is 1.20: no server-side apply with today's schemas.
_FLAGS = ("--server-side=false", "--disable-openapi-validation")
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class InstalledRelease:
    """A release that helm has installed.

    Args:
        plane: the control plane.
        namespace: namespace of the release.
        folder: folder for the values file.
    """

    plane: ControlPlane
    namespace: str
    folder: Path

    def install(self, values: Mapping[str, Any], *files: Path) -> None:
        """Run helm install."""
        self._helm("install", NAME, str(CHART), *self._values(values, files), *_FLAGS)

    def upgrade(self, values: Mapping[str, Any], *files: Path) -> None:
        """Run helm upgrade."""
        self._helm("upgrade", NAME, str(CHART), *self._values(values, files), *_FLAGS)

    def rollback(self, revision: int) -> None:
        """Run helm rollback."""
        self._helm("rollback", NAME, str(revision), "--server-side=false")

    def uninstall(self) -> None:
        """Run helm uninstall."""
        self._helm("uninstall", NAME, "--ignore-not-found")

    def manifest(self) -> list[dict[str, Any]]:
        """Return the objects that helm has installed."""
        text = self._helm("get", "manifest", NAME)
        return [each for each in yaml.safe_load_all(text) if each]

    def revisions(self) -> list[str]:
        """Return the status of each revision."""
        history = json.loads(self._helm("history", NAME, "--output=json"))
        return [each["status"] for each in history]

    def kubectl(self, *words: str) -> str:
        """Return the output of kubectl; a failure fails the test."""
        done = self.try_kubectl(*words)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def try_kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace."""
        return self.plane.command("kubectl", f"--namespace={self.namespace}", *words)

    def objects(self, kind: str, *words: str) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        return list(json.loads(self.kubectl("get", kind, *words, "--output=json"))["items"])

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """Return one object."""
        return dict(json.loads(self.kubectl("get", kind, name, "--output=json")))

    def pods(self, service: str) -> dict[str, dict[str, Any]]:
        """Return a service's pods by name, without deleted ones."""
        found = self.objects("pods", f"--selector=app.kubernetes.io/component={service}")
        current = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        return {each["metadata"]["name"]: each for each in current}

    def endpoints(self, service: str) -> list[dict[str, Any]]:
        """Return all endpoints in a service's EndpointSlices."""
        label = f"--selector=kubernetes.io/service-name={NAME}-{service}"
        slices = self.objects("endpointslices.discovery.k8s.io", label)
        return [endpoint for each in slices for endpoint in each.get("endpoints") or ()]

    def ready(self, service: str) -> int:
        """Return the number of ready endpoints."""
        return sum(bool(each["conditions"].get("ready")) for each in self.endpoints(service))

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for a condition; a timeout fails the test and lists the pods."""
        until = time.monotonic() + _TIMEOUT_S
        while not condition():
            assert time.monotonic() < until, f"{what}\n{self.kubectl('get', 'pods')}"
            time.sleep(0.1)

    def _helm(self, *words: str) -> str:
        done = self.plane.command("helm", *words, "--namespace", self.namespace)
        assert done.returncode == 0, f"helm {words[0]}: {done.stderr}"
        return done.stdout

    def _values(self, values: Mapping[str, Any], files: tuple[Path, ...]) -> list[str]:
        own = self.folder / "values.yaml"
        own.write_text(yaml.safe_dump(dict(values)))
        return [word for file in (*files, own) for word in ("--values", str(file))]


@contextmanager
def namespace(plane: ControlPlane, name: str, folder: Path) -> Iterator[InstalledRelease]:
    """Create a namespace for one release; both are removed afterwards."""
    release = InstalledRelease(plane, name, folder)
    plane.command("kubectl", "create", "namespace", name)
    release.until(lambda: release.try_kubectl("get", "sa", "default").returncode == 0, "no account")
    try:
        yield release
    finally:
        plane.command("helm", "uninstall", NAME, "--ignore-not-found", "--namespace", name)
        plane.command("kubectl", "delete", "namespace", name, "--wait=false")
