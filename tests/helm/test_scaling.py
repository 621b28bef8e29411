"""How each stage's Deployment grows and shrinks, under KEDA and under plain HPAs."""

import yaml

from barkserve.serving.metrics import Metrics
from tests.helm.chart import CHART, STAGES, Release, ci


def test_without_autoscaling_replicas_are_what_values_say() -> None:
    release = Release({"services": {"coarse": {"replicas": 3}}})
    assert release.one("Deployment", "bark-coarse")["spec"]["replicas"] == 3
    assert release.all("ScaledObject") == release.all("HorizontalPodAutoscaler") == {}


def test_an_upgrade_does_not_undo_what_the_autoscaler_did() -> None:
    for mode in ("keda", "hpa"):
        release = Release({"autoscaling": {"mode": mode}})
        for service in ("orchestrator", *STAGES):
            assert "replicas" not in release.one("Deployment", f"bark-{service}")["spec"]
    release = Release(ci("hpa"))  # codec is left out there
    assert release.one("Deployment", "bark-codec")["spec"]["replicas"] == 1
    assert "bark-codec" not in release.all("HorizontalPodAutoscaler")


def test_keda_asks_our_autoscaler_for_each_stage() -> None:
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
    assert "fallback" not in codec  # it may be asleep, and then that is right


def test_while_the_autoscaler_is_away_nobody_is_without_replicas() -> None:
    release = Release({"autoscaling": {"mode": "keda"}, "services": {"fine": {"replicas": 3}}})
    for stage, replicas in [("fine", 3), ("coarse", 1)]:
        fallback = release.one("ScaledObject", f"bark-{stage}")["spec"]["fallback"]
        assert fallback["replicas"] == replicas


def test_up_at_once_and_down_slowly_one_replica_at_a_time() -> None:
    keda = Release(ci("keda")).one("ScaledObject", "bark-coarse")["spec"]
    under_keda = keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    under_hpa = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-coarse")["spec"]["behavior"]
    assert under_keda == under_hpa
    assert under_hpa["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert under_hpa["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert under_hpa["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_a_plain_hpa_reads_a_metric_that_we_serve_through_the_rule_that_we_bring() -> None:
    spec = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-coarse")["spec"]
    (metric,) = spec["metrics"]
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "2.5"}
    rules = yaml.safe_load((CHART / "files/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (rule,) = [each for each in rules if each["name"]["as"] == metric["pods"]["metric"]["name"]]
    series, _, _ = rule["seriesQuery"].partition("{")
    served = {family.name for family in Metrics("coarse").registry.collect()}
    assert series in served


def test_the_orchestrator_scales_by_its_processors() -> None:
    keda = Release(ci("keda")).one("ScaledObject", "bark-orchestrator")["spec"]
    assert [each["type"] for each in keda["triggers"]] == ["cpu"]
    hpa = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-orchestrator")["spec"]
    assert hpa["metrics"][0]["resource"]["name"] == "cpu"


def test_keda_shows_a_certificate_where_the_autoscaler_wants_one() -> None:
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
