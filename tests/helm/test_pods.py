"""Deployments: arguments, probes, draining and security."""

import pytest

from barkserve.constants import STAGES
from tests.helm.chart import GRPC_SERVICES, SERVICES, Release, ci

EVERYTHING = [{}, ci("gpu"), ci("keda"), ci("tls"), ci("ingress")]


@pytest.fixture(scope="module")
def keda() -> Release:
    return Release(ci("keda"))


def test_autoscaler_is_deployed_only_for_keda(keda: Release) -> None:
    assert set(keda.all("Deployment")) == {f"bark-{service}" for service in SERVICES}
    assert set(Release().all("Deployment")) == {f"bark-{service}" for service in SERVICES[:-1]}


def test_options_of_a_service_override_the_defaults() -> None:
    release = Release(
        {
            "defaults": {"options": {"log-level": "debug"}},
            "stages": {"options": {"dtype": "bfloat16", "threads": 0}},
            "services": {"coarse": {"options": {"threads": 3, "slots": 1000000}}},
        }
    )
    coarse, fine = release.container("coarse")["args"], release.container("fine")["args"]
    assert {"--dtype=bfloat16", "--threads=3", "--slots=1000000", "--log-level=debug"} < set(coarse)
    assert {"--dtype=bfloat16", "--threads=0", "--log-level=debug"} < set(fine)
    assert not any(word.startswith("--dtype") for word in release.container("orchestrator")["args"])


@pytest.mark.parametrize("discovery", ["kubernetes", "dns"])
def test_orchestrator_gets_the_stage_addresses(discovery: str) -> None:
    args = Release({"discovery": discovery}).container("orchestrator")["args"]
    expected = {
        "kubernetes": "--coarse=kubernetes:bark-coarse",
        "dns": "--coarse=dns:bark-coarse.speech.svc:50053",
    }
    assert expected[discovery] in args


@pytest.mark.parametrize("service", GRPC_SERVICES)
def test_readiness_and_liveness_use_different_names(keda: Release, service: str) -> None:
    container = keda.container(service)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {
        probe: container[f"{probe}Probe"]["grpc"] for probe in ("startup", "readiness", "liveness")
    }
    assert {each["port"] for each in asked.values()} == {ports["grpc"]}
    assert asked["liveness"]["service"] == "" == asked["startup"]["service"]
    assert asked["readiness"]["service"].endswith(("Service", "ExternalScaler"))
    assert f"--port={ports['grpc']}" in container["args"]
    assert f"--metrics-port={ports['metrics']}" in container["args"]


def test_startup_probe_allows_the_startup_seconds() -> None:
    probe = Release({"stages": {"startupSeconds": 601}}).container("fine")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 601


def test_probes_use_the_health_port_with_tls() -> None:
    release = Release(ci("tls"))
    for service in GRPC_SERVICES:
        container = release.container(service)
        assert container["livenessProbe"]["grpc"]["port"] == 50060
        assert "--health-port=50060" in container["args"]


@pytest.mark.parametrize("drain", [1, 60, 900])
def test_grace_period_covers_the_drain(drain: int) -> None:
    release = Release({"defaults": {"drainSeconds": drain, "preStopSeconds": 7}})
    for service in STAGES:
        pod, container = release.pod(service), release.container(service)
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == 7
        assert f"--drain-seconds={drain}" in container["args"]
        assert pod["terminationGracePeriodSeconds"] > 7 + drain


@pytest.mark.parametrize("values", EVERYTHING)
def test_containers_have_no_unneeded_rights(values: dict) -> None:
    release = Release(values)
    pods = [each["spec"]["template"]["spec"] for each in release.all("Deployment").values()]
    pods += [each["spec"] for each in release.all("Pod").values()]
    assert len(pods) >= 6
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not any("hostPath" in volume for volume in pod["volumes"])
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["privileged"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
            assert container["resources"]["limits"]["memory"]


def test_service_links_are_off() -> None:
    release = Release({"fullnameOverride": "barkserve"})
    pods = [each["spec"]["template"]["spec"] for each in release.all("Deployment").values()]
    for pod in [*pods, release.one("Pod", "barkserve-test-speak")["spec"]]:
        assert (
            pod["enableServiceLinks"] is False
        )  # BARKSERVE_COARSE_PORT would be an unknown option


def test_rollout_adds_a_replica_before_it_removes_one() -> None:
    spec = Release().one("Deployment", "bark-coarse")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    spec = Release(ci("gpu")).one("Deployment", "bark-coarse")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_new_chart_version_alone_restarts_no_pod() -> None:
    template = Release().one("Deployment", "bark-coarse")["spec"]["template"]
    assert "helm.sh/chart" not in template["metadata"]["labels"]
    assert "app.kubernetes.io/version" not in template["metadata"]["labels"]


def test_disruption_budget_allows_one_replica() -> None:
    budgets = Release().all("PodDisruptionBudget")
    assert set(budgets) == {f"bark-{service}" for service in SERVICES[:-1]}
    for budget in budgets.values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
