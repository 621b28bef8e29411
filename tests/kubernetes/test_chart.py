"""The chart installed by helm, on a real API server with real controllers; pods do nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from barkserve.constants import STAGES
from tests.helm.chart import VALUES_FILES
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.release import InstalledRelease, namespace

SERVICES = (*STAGES, "orchestrator", "gateway")
IDLE: dict[str, Any] = {"image": {"repository": "idle"}, "defaults": {"preStopSeconds": 1}}
# Fields that Kubernetes 1.20 lacks.
NEWER = {
    "spec.ipFamilies",
    "spec.ipFamilyPolicy",
    "spec.unhealthyPodEvictionPolicy",
    "spec.template.spec.topologySpreadConstraints.matchLabelKeys",
    "spec.template.spec.topologySpreadConstraints.nodeTaintsPolicy",
    "spec.template.spec.volumes.image",
}
# Values that it refuses: DRA, certificates of the kubelet, HPAs without replicas.
TOO_NEW = {"dra", "hpa-zero", "pod-certificates"}
ACCEPTED = [path for path in VALUES_FILES if path.stem.removesuffix("-values") not in TOO_NEW]
_EMPTY: tuple[Any, ...] = (0, {}, [], "", False)
KEPT = {"PersistentVolumeClaim"}  # helm.sh/resource-policy


@pytest.fixture
def release(
    plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[InstalledRelease]:
    name = request.node.name.replace("_", "-").replace("[", "-").strip("]")[-60:].strip("-")
    with namespace(plane, name, tmp_path) as found:
        yield found


def test_install_upgrade_rollback_and_uninstall(release: InstalledRelease) -> None:
    release.install(IDLE)
    release.until(lambda: _ready(release) == dict.fromkeys(SERVICES, 1), "not all are ready")
    (old,) = release.pods("codec")
    release.upgrade(IDLE | {"services": {"coarse": {"replicas": 3}}})
    release.until(lambda: release.ready("coarse") == 3, "coarse was not scaled")
    assert list(release.pods("codec")) == [old], "an upgrade restarted an unchanged service"
    release.rollback(1)
    release.until(lambda: release.ready("coarse") == 1, "coarse was not scaled back")
    assert release.revisions() == ["superseded", "superseded", "deployed"]
    installed = release.manifest()
    release.uninstall()
    for each in installed:
        kind, name = each["kind"], each["metadata"]["name"]
        release.until(lambda k=kind, n=name: _gone(release, k, n), f"{kind} {name} remains")
    release.until(lambda: not release.objects("pods"), "pods remain")


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem.removesuffix("-values"))
def test_api_server_accepts_every_object(release: InstalledRelease, path: Path) -> None:
    release.install(IDLE, path)
    for wanted in release.manifest():
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        group, _, version = wanted["apiVersion"].rpartition("/")
        full = f"{kind}.{version}.{group}" if group else kind
        found = release.one(full, name)
        lost = _lost(wanted.get("spec", {}), found.get("spec", {}))
        assert lost <= NEWER, f"{kind} {name} lost {lost}"


def test_pods_have_own_accounts_and_only_discovery_a_token(
    release: InstalledRelease,
) -> None:
    release.install(IDLE)
    release.until(lambda: all(release.pods(service) for service in SERVICES), "no pods")
    for service in SERVICES:
        (pod,) = release.pods(service).values()
        assert pod["spec"]["serviceAccountName"] == f"bark-{service}"
        mounts = [each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]]
        tokens = [path for path in mounts if path.startswith("/var/run/secrets")]
        assert len(tokens) == (service == "orchestrator")


def _ready(release: InstalledRelease) -> dict[str, int]:
    return {service: release.ready(service) for service in SERVICES}


def _gone(release: InstalledRelease, kind: str, name: str) -> bool:
    done = release.try_kubectl("get", kind, name, "--output=name")
    return kind in KEPT or (done.returncode != 0 and "NotFound" in done.stderr)


def _lost(wanted: Any, found: Any, path: str = "spec") -> set[str]:
    """Return the non-empty fields that the server has dropped."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        full = {key for key, value in wanted.items() if value not in _EMPTY}
        both = wanted.keys() & found.keys()
        deeper = (_lost(wanted[key], found[key], f"{path}.{key}") for key in both)
        return {f"{path}.{key}" for key in full - found.keys()}.union(*deeper)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = zip(wanted, found, strict=True)
        return set().union(*(_lost(one, other, path) for one, other in pairs))
    return set()
