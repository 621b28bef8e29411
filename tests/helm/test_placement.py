"""GPUs, images and the placement of pods."""

import pytest

from barkserve.constants import STAGES
from tests.helm.chart import Release, ci


def test_cpu_stages_request_no_gpu_and_use_the_cpu_image() -> None:
    release = Release(ci("cpu"))
    for service in ("orchestrator", *STAGES):
        container = release.container(service)
        assert set(container["resources"]["limits"]) == {"memory"}
        assert container["image"] == "barkserve:0.1.0-cpu"


def test_cuda_stages_get_a_gpu_and_the_cuda_image() -> None:
    release = Release(ci("gpu"))
    for stage in STAGES:
        container = release.container(stage)
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert container["resources"]["limits"]["memory"] == "12Gi"
        assert container["image"] == "barkserve:0.1.0-cuda"
        assert "--device=cuda" in container["args"]
        assert release.pod(stage)["tolerations"][0]["key"] == "nvidia.com/gpu"
        assert release.pod(stage)["nodeSelector"] == {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "nvidia.com/gpu.present": "true",
        }
        assert "priorityClassName" not in release.pod(stage)  # the cluster may have none
    assert release.container("orchestrator")["image"] == "barkserve:0.1.0-cpu"
    assert "tolerations" not in release.pod("orchestrator")


@pytest.mark.parametrize(
    ("values", "stage", "resource"),
    [
        ("one-gpu", "coarse", "nvidia.com/gpu.shared"),
        ("mig", "fine", "nvidia.com/mig-1g.10gb"),
        ("mig", "coarse", "nvidia.com/mig-3g.40gb"),
    ],
)
def test_gpu_slices_are_requested_by_their_resource_name(
    values: str, stage: str, resource: str
) -> None:
    limits = Release(ci(values)).container(stage)["resources"]["limits"]
    assert limits[resource] == 1
    assert len(limits) == 2  # GPU and memory


def test_stages_on_a_shared_gpu_offload_when_idle() -> None:
    release = Release(ci("one-gpu"))
    for stage, seconds in (("semantic", 300), ("coarse", 300), ("fine", 300), ("codec", 0)):
        assert f"--offload-idle-seconds={seconds}" in release.container(stage)["args"]
    assert "offload" not in str(release.container("orchestrator")["args"])


def test_unaccounted_gpu_is_not_requested() -> None:
    release = Release(
        {
            "stages": {
                "options": {"device": "cuda"},
                "gpu": {"unaccounted": True},
                "runtimeClassName": "nvidia",
            }
        }
    )
    assert set(release.container("fine")["resources"]["limits"]) == {"memory"}
    assert release.pod("fine")["runtimeClassName"] == "nvidia"
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in release.container("fine")["env"]
    assert "env" not in release.container("orchestrator")


def test_replicas_spread_over_nodes_and_zones() -> None:
    release = Release(ci("gpu"))
    for service, action in [("coarse", "DoNotSchedule"), ("fine", "ScheduleAnyway")]:
        spread = release.pod(service)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in spread:
            hostname = each["topologyKey"] == "kubernetes.io/hostname"  # not all nodes have zones
            assert each["whenUnsatisfiable"] == (action if hostname else "ScheduleAnyway")
            assert each["matchLabelKeys"] == ["pod-template-hash"]
            assert each["nodeTaintsPolicy"] == "Honor"
            selected = each["labelSelector"]["matchLabels"]
            assert selected["app.kubernetes.io/component"] == service
    assert "topologySpreadConstraints" not in Release(ci("one-gpu")).pod("fine")


def test_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    container = Release({"image": {"digest": digest}}).container("codec")
    assert container["image"] == f"barkserve@{digest}"
