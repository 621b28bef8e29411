"""A release of the chart in a namespace of its own, installed by helm. Blocking; tests that stream
meanwhile call it in threads.
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
# As the API server is of 1.20: no server-side apply with today's schemas.
_FLAGS = ("--server-side=false", "--disable-openapi-validation")
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class InstalledRelease:
    """A release that helm has installed.

    Args:
        plane: where.
        namespace: its own.
        folder: for values.
    """

    plane: ControlPlane
    namespace: str
    folder: Path

    def install(self, values: Mapping[str, Any], *files: Path) -> None:
        """Helm install."""
        self._helm("install", NAME, str(CHART), *self._values(values, files), *_FLAGS)

    def upgrade(self, values: Mapping[str, Any], *files: Path) -> None:
        """Helm upgrade."""
        self._helm("upgrade", NAME, str(CHART), *self._values(values, files), *_FLAGS)

    def rollback(self, revision: int) -> None:
        """Helm rollback."""
        self._helm("rollback", NAME, str(revision), "--server-side=false")

    def uninstall(self) -> None:
        """Helm uninstall."""
        self._helm("uninstall", NAME, "--ignore-not-found")

    def manifest(self) -> list[dict[str, Any]]:
        """What helm says that it has installed."""
        text = self._helm("get", "manifest", NAME)
        return [each for each in yaml.safe_load_all(text) if each]

    def revisions(self) -> list[str]:
        """What helm remembers of each revision: its status."""
        history = json.loads(self._helm("history", NAME, "--output=json"))
        return [each["status"] for each in history]

    def kubectl(self, *words: str) -> str:
        """What kubectl prints; fails the test if it fails."""
        done = self.try_kubectl(*words)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def try_kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Kubectl in the namespace."""
        return self.plane.command("kubectl", f"--namespace={self.namespace}", *words)

    def objects(self, kind: str, *words: str) -> list[dict[str, Any]]:
        """All of a kind."""
        return list(json.loads(self.kubectl("get", kind, *words, "--output=json"))["items"])

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """One object."""
        return dict(json.loads(self.kubectl("get", kind, name, "--output=json")))

    def pods(self, service: str) -> dict[str, dict[str, Any]]:
        """A service's pods that are not leaving, by name."""
        found = self.objects("pods", f"--selector=app.kubernetes.io/component={service}")
        stay = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        return {each["metadata"]["name"]: each for each in stay}

    def endpoints(self, service: str) -> list[dict[str, Any]]:
        """All endpoints in a service's EndpointSlices."""
        label = f"--selector=kubernetes.io/service-name={NAME}-{service}"
        slices = self.objects("endpointslices.discovery.k8s.io", label)
        return [endpoint for each in slices for endpoint in each.get("endpoints") or ()]

    def ready(self, service: str) -> int:
        """How many endpoints take streams."""
        return sum(bool(each["conditions"].get("ready")) for each in self.endpoints(service))

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for what controllers do; fails with the namespace's pods after a long while."""
        until = time.monotonic() + _PATIENCE_S
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
    """A namespace for one release; both are gone afterwards."""
    release = InstalledRelease(plane, name, folder)
    plane.command("kubectl", "create", "namespace", name)
    release.until(lambda: release.try_kubectl("get", "sa", "default").returncode == 0, "no account")
    try:
        yield release
    finally:
        plane.command("helm", "uninstall", NAME, "--ignore-not-found", "--namespace", name)
        plane.command("kubectl", "delete", "namespace", name, "--wait=false")
