"""Autoscaling of each Deployment, with KEDA and with plain HPAs."""

import yaml

from barkserve.constants import STAGES
from barkserve.serving.metrics import Metrics
from tests.helm.chart import CHART, Release, ci


def test_replicas_come_from_values_without_autoscaling() -> None:
    release = Release({"services": {"coarse": {"replicas": 3}}})
    assert release.one("Deployment", "bark-coarse")["spec"]["replicas"] == 3
    assert release.all("ScaledObject") == release.all("HorizontalPodAutoscaler") == {}


def test_upgrade_keeps_the_autoscaled_replicas() -> None:
    for mode in ("keda", "hpa"):
        release = Release({"autoscaling": {"mode": mode}, "metrics": {"monitor": "pod"}})
        for service in ("orchestrator", *STAGES):
            assert "replicas" not in release.one("Deployment", f"bark-{service}")["spec"]
    release = Release(ci("hpa"))  # codec is excluded there
    assert release.one("Deployment", "bark-codec")["spec"]["replicas"] == 1
    assert "bark-codec" not in release.all("HorizontalPodAutoscaler")


def test_keda_asks_the_autoscaler_for_each_stage() -> None:
    release = Release(ci("keda"))
    for stage in STAGES:
        spec = release.one("ScaledObject", f"bark-{stage}")["spec"]
        assert spec["scaleTargetRef"] == {"name": f"bark-{stage}"}
        (trigger,) = spec["triggers"]
        assert trigger["type"] == "external-push"
        assert trigger["metadata"]["stage"] == stage
        host, _, port = trigger["metadata"]["scalerAddress"].partition(":")
        service = release.one("Service", "bark-autoscaler")
        assert host == "bark-autoscaler.speech.svc"
        assert int(port) in {each["port"] for each in service["spec"]["ports"]}
    assert release.one("ScaledObject", "bark-coarse")["spec"]["maxReplicaCount"] == 12
    assert release.one("ScaledObject", "bark-fine")["spec"]["maxReplicaCount"] == 6
    codec = release.one("ScaledObject", "bark-codec")["spec"]
    assert codec["minReplicaCount"] == 0
    assert "fallback" not in codec  # it may be scaled to zero on purpose


def test_stages_keep_replicas_without_the_autoscaler() -> None:
    release = Release({"autoscaling": {"mode": "keda"}, "services": {"fine": {"replicas": 3}}})
    for stage, replicas in [("fine", 3), ("coarse", 1)]:
        fallback = release.one("ScaledObject", f"bark-{stage}")["spec"]["fallback"]
        assert fallback["replicas"] == replicas


def test_scaling_is_fast_up_and_slow_down() -> None:
    keda = Release(ci("keda")).one("ScaledObject", "bark-coarse")["spec"]
    under_keda = keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    under_hpa = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-coarse")["spec"]["behavior"]
    assert under_keda == under_hpa
    assert under_hpa["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert under_hpa["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert under_hpa["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_hpa_metric_is_served_and_has_an_adapter_rule() -> None:
    spec = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-coarse")["spec"]
    (metric,) = spec["metrics"]
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "2.5"}
    rules = yaml.safe_load((CHART / "files/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (rule,) = [each for each in rules if each["name"]["as"] == metric["pods"]["metric"]["name"]]
    series, _, _ = rule["seriesQuery"].partition("{")
    served = {family.name for family in Metrics("coarse").registry.collect()}
    assert series in served


def test_orchestrator_scales_by_cpu() -> None:
    keda = Release(ci("keda")).one("ScaledObject", "bark-orchestrator")["spec"]
    assert [each["type"] for each in keda["triggers"]] == ["cpu"]
    hpa = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-orchestrator")["spec"]
    assert hpa["metrics"][0]["containerResource"]["name"] == "cpu"


def test_keda_presents_a_certificate_to_the_autoscaler() -> None:
    release = Release(ci("tls"))
    (trigger,) = release.one("ScaledObject", "bark-fine")["spec"]["triggers"]
    name = trigger["authenticationRef"]["name"]
    references = release.one("TriggerAuthentication", name)["spec"]["secretTargetRef"]
    secret = release.one("Certificate", "bark-autoscaler")["spec"]["secretName"]
    assert {each["parameter"]: (each["name"], each["key"]) for each in references} == {
        "caCert": (secret, "ca.crt"),
        "tlsClientCert": (secret, "tls.crt"),
        "tlsClientKey": (secret, "tls.key"),
    }
    assert release.all("TriggerAuthentication").keys() == {name}
    assert Release(ci("keda")).all("TriggerAuthentication") == {}
