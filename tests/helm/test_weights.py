"""Where the weights come from, and where created voices are stored."""

import pytest

from barkserve.constants import STAGES
from tests.helm.chart import Release, ci

HUB = {"weights": {"source": "hub", "hub": {"name": "suno/bark"}}}


def test_bundled_model_needs_no_volume() -> None:
    release = Release()
    for service in ("orchestrator", *STAGES):
        assert "initContainers" not in release.pod(service)
        assert not any("--checkpoint" in word for word in release.container(service)["args"])
    assert release.all("PersistentVolumeClaim") == {}


@pytest.mark.parametrize(
    ("values", "checkpoint"),
    [
        (HUB, "suno/bark"),
        (ci("mig"), "/source/suno/bark"),
        (ci("ingress"), "/source/bark-small"),
    ],
)
def test_each_pod_fetches_and_reads_its_own_part(values: dict, checkpoint: str) -> None:
    release = Release(values)
    for service in ("orchestrator", *STAGES):
        (fetch,) = release.pod(service)["initContainers"]
        assert fetch["args"][0] == "fetch"
        words = dict(word.split("=", 1) for word in fetch["args"][1:])
        assert words["--stage"] == service
        assert words["--checkpoint"] == checkpoint
        assert "/source" not in words["--to"]
        container = release.container(service)
        assert f"--checkpoint={words['--to']}" in container["args"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert mounts["/weights"]["readOnly"] is True
        assert "/source" not in mounts
        assert fetch["image"] == container["image"]


def test_files_from_the_hub_stay_on_a_claim() -> None:
    release = Release(
        HUB | {"weights": HUB["weights"] | {"hub": {"name": "x/y", "tokenSecret": "t"}}}
    )
    claim = release.one("PersistentVolumeClaim", "bark-weights")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert release.volume("coarse", "weights") == {
        "persistentVolumeClaim": {"claimName": "bark-weights"}
    }
    (fetch,) = release.pod("coarse")["initContainers"]
    environment = {each["name"]: each for each in fetch["env"]}
    assert environment["HF_HOME"]["value"].startswith("/weights/")
    assert environment["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "t", "key": "token"}
    mine = {"name": "x/y", "cache": {"existingClaim": "mine"}}
    release = Release({"weights": {"source": "hub", "hub": mine}})
    assert release.all("PersistentVolumeClaim") == {}
    assert release.volume("coarse", "weights")["persistentVolumeClaim"]["claimName"] == "mine"


def test_weights_volume_is_mounted_read_only() -> None:
    claim = Release(ci("mig")).volume("fine", "source")["persistentVolumeClaim"]
    assert claim == {"claimName": "models", "readOnly": True}


def test_weights_image_is_mounted() -> None:
    image = Release(ci("ingress")).volume("fine", "source")["image"]
    assert image["reference"] == "registry.example.org/models/bark-small:1"


def test_each_service_mounts_an_image_of_its_own() -> None:
    """A pod pulls only its service's part, and reads it in place."""
    release = Release(ci("image"))
    for service in ("orchestrator", *STAGES):
        reference = f"registry.example.org/models/bark-small/{service}:1"
        image = release.volume(service, "source")["image"]
        assert image == {"reference": reference, "pullPolicy": "IfNotPresent"}
        assert "--checkpoint=/source" in release.container(service)["args"]
        assert "initContainers" not in release.pod(service)
    folders = {"source": "volume", "volume": {"claimName": "models", "path": "bark/{service}"}}
    (fetch,) = Release({"weights": folders}).pod("fine")["initContainers"]
    assert "--checkpoint=/source/bark/fine" in fetch["args"]


def test_created_voices_are_on_a_shared_store() -> None:
    release = Release({"voices": {"store": "volume"}})
    assert "--voice-store=/voices" in release.container("orchestrator")["args"]
    claim = release.volume("orchestrator", "voices")["persistentVolumeClaim"]["claimName"]
    assert claim in release.all("PersistentVolumeClaim")
    assert "voices" not in {each["name"] for each in release.pod("coarse")["volumes"]}
    url = {"store": "url", "url": "s3://bucket/voices"}
    args = Release({"voices": url}).container("orchestrator")["args"]
    assert "--voice-store=s3://bucket/voices" in args
