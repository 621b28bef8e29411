"""The rights of each pod's token at the API server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from barkserve.constants import STAGES
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.release import InstalledRelease, namespace

SLICES = "endpointslices.discovery.k8s.io"
# Rights of every authenticated user: reviews of its own rights.
COMMON = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}


@pytest.fixture(scope="module")
def release(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstalledRelease]:
    folder: Path = tmp_path_factory.mktemp("rights")
    with namespace(plane, "rights", folder) as found:
        found.install({"image": {"repository": "idle"}, "autoscaling": {"mode": "keda"}})
        yield found


@pytest.mark.parametrize("service", ["orchestrator", "autoscaler"])
def test_discovery_reads_only_slices_of_its_namespace(
    release: InstalledRelease, service: str
) -> None:
    token = _token(release, service)
    for verb in ("get", "list", "watch"):
        assert _may(release, token, verb, SLICES)
        assert not _may(release, token, verb, SLICES, "--namespace=default")
        assert not _may(release, token, verb, "secrets")
        assert not _may(release, token, verb, "pods")
    assert _rules(release, token) == {SLICES.partition(".")[0]: {"get", "list", "watch"}}


@pytest.mark.parametrize("service", STAGES)
def test_stage_has_no_rights(release: InstalledRelease, service: str) -> None:
    assert _rules(release, _token(release, service)) == {}


def _token(release: InstalledRelease, service: str) -> str:
    return release.kubectl("create", "token", f"bark-{service}").strip()


def _may(release: InstalledRelease, token: str, verb: str, kind: str, *words: str) -> bool:
    done = release.try_kubectl(f"--token={token}", "auth", "can-i", verb, kind, *words)
    assert done.stdout.strip() in ("yes", "no"), done.stderr
    return done.stdout.strip() == "yes"


def _rules(release: InstalledRelease, token: str) -> dict[str, set[str]]:
    """Return the verbs by resource, as the API server lists them."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": release.namespace},
    }
    path = release.folder / "review.json"
    path.write_text(json.dumps(review))
    words = ("create", "--filename", str(path), "--validate=false", "--output=json")
    status = json.loads(release.kubectl(f"--token={token}", *words))["status"]
    rules = [rule for rule in status["resourceRules"] if not COMMON & set(rule["resources"])]
    return {name: set(rule["verbs"]) for rule in rules for name in rule["resources"]}
