"""Which hardware a stage asks for, and where it may run."""

import pytest

from tests.helm.chart import STAGES, Release, ci


def test_without_a_gpu_none_is_asked_for_and_the_image_is_the_small_one() -> None:
    release = Release(ci("cpu"))
    for service in ("orchestrator", *STAGES):
        container = release.container(service)
        assert set(container["resources"]["limits"]) == {"memory"}
        assert container["image"] == "barkserve:0.1.0-cpu"


def test_each_stage_gets_a_gpu_and_the_image_for_it() -> None:
    release = Release(ci("gpu"))
    for stage in STAGES:
        container = release.container(stage)
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert container["resources"]["limits"]["memory"] == "12Gi"
        assert container["image"] == "barkserve:0.1.0-cuda"
        assert "--device=cuda" in container["args"]
        assert release.pod(stage)["tolerations"][0]["key"] == "nvidia.com/gpu"
        assert release.pod(stage)["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
        assert release.pod(stage)["priorityClassName"] == "speech"
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
def test_shares_and_slices_of_a_gpu_go_by_their_names(
    values: str, stage: str, resource: str
) -> None:
    limits = Release(ci(values)).container(stage)["resources"]["limits"]
    assert limits[resource] == 1
    assert len(limits) == 2  # and memory


def test_stages_that_share_a_gpu_give_its_memory_back_while_nobody_speaks() -> None:
    release = Release(ci("one-gpu"))
    for stage, seconds in (("semantic", 300), ("coarse", 300), ("fine", 300), ("codec", 0)):
        assert f"--offload-idle-seconds={seconds}" in release.container(stage)["args"]
    assert "offload" not in str(release.container("orchestrator")["args"])


def test_a_gpu_that_all_pods_see_is_not_counted() -> None:
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


def test_replicas_keep_away_from_each_other() -> None:
    release = Release(ci("gpu"))
    for service, action in [("coarse", "DoNotSchedule"), ("fine", "ScheduleAnyway")]:
        spread = release.pod(service)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in spread:
            assert each["whenUnsatisfiable"] == action
            selected = each["labelSelector"]["matchLabels"]
            assert selected["app.kubernetes.io/component"] == service
    assert "topologySpreadConstraints" not in Release(ci("one-gpu")).pod("fine")


def test_a_digest_names_the_image_exactly() -> None:
    digest = "sha256:" + "0" * 64
    container = Release({"image": {"digest": digest}}).container("codec")
    assert container["image"] == f"barkserve@{digest}"
