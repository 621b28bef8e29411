"""GPUs, images and the placement of pods."""

import pytest

from barkserve.constants import STAGES
from tests.helm.chart import Release, ci, complaints


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
    # The documented image has no flash-attn.
    assert not any("attention=flash" in word for word in release.container("coarse")["args"])
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


def test_one_gpu_orchestrator_is_not_on_the_stages_claim() -> None:
    """The claim is of one node, and the orchestrator may be on another."""
    release = Release(ci("one-gpu"))
    claim = {"persistentVolumeClaim": {"claimName": "bark-weights"}}
    assert [release.volume(stage, "weights") for stage in STAGES] == [claim] * 4
    assert release.volume("orchestrator", "weights") == {"emptyDir": {}}


def test_time_slices_are_on_nodes_that_have_them() -> None:
    values = ci("one-gpu")
    values["stages"]["gpu"]["sharing"] = "timeSlicing"
    selector = Release(values).pod("fine")["nodeSelector"]
    assert selector["nvidia.com/gpu.sharing-strategy"] == "time-slicing"


def test_gpus_may_be_claimed_by_name() -> None:
    claims = [{"name": "gpu", "resourceClaimName": "shared"}]
    gpu = {"options": {"device": "cuda"}, "gpu": {"resourceClaims": claims}}
    release = Release({"services": {"coarse": gpu}})
    assert release.pod("coarse")["resourceClaims"] == claims
    assert release.container("coarse")["resources"]["claims"] == [{"name": "gpu"}]
    assert "resourceClaims" not in release.pod("fine")


def test_images_of_one_architecture_run_only_there() -> None:
    assert Release().pod("codec")["nodeSelector"]["kubernetes.io/arch"] == "amd64"
    values = {"defaults": {"nodeSelector": {"kubernetes.io/arch": None}}}
    assert "kubernetes.io/arch" not in Release(values).pod("codec")["nodeSelector"]


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


def test_mps_pods_have_limits_and_nodes() -> None:
    release = Release(ci("mps"))
    environment = {each["name"]: each["value"] for each in release.container("fine")["env"]}
    assert environment == {
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=10G",
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "25",
    }
    for service, expected in (("fine", "mps"), ("gateway", None)):
        selector = release.pod(service)["nodeSelector"]
        assert selector.get("nvidia.com/gpu.sharing-strategy") == expected
    assert "gpu.sharing is none" in complaints({"stages": {"gpu": {"mps": {"threadPercent": 5}}}})


def test_claimed_gpus_come_from_a_template() -> None:
    release = Release(ci("dra"))
    for stage in STAGES:
        assert release.pod(stage)["resourceClaims"] == [
            {"name": "gpu", "resourceClaimTemplateName": f"bark-{stage}-gpu"}
        ]
        assert release.container(stage)["resources"]["claims"] == [{"name": "gpu"}]
        (request,) = release.one("ResourceClaimTemplate", f"bark-{stage}-gpu")["spec"]["spec"][
            "devices"
        ]["requests"]
        assert request["exactly"]["deviceClassName"] == "gpu.nvidia.com"
    values = ci("dra")
    values["stages"]["gpu"]["count"] = 1
    assert "has claims: set options.device cuda and gpu.count 0" in complaints(values)
