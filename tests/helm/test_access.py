"""Network policies, and the rights of service accounts."""

from typing import Any

from barkserve.constants import STAGES
from tests.helm.chart import Release, ci

COMPONENT = "app.kubernetes.io/component"


def _components(rule: dict[str, Any], side: str) -> set[str]:
    peers = rule.get(side, [])
    assert all(set(peer) == {"podSelector"} for peer in peers)
    return {peer["podSelector"]["matchLabels"][COMPONENT] for peer in peers}


def _rules_for(policy: dict[str, Any], direction: str, port: int) -> list[dict[str, Any]]:
    rules = policy["spec"][direction]
    return [each for each in rules if port in {entry["port"] for entry in each["ports"]}]


def test_only_orchestrator_and_autoscaler_reach_stages() -> None:
    release = Release(ci("keda"))
    for stage, port in zip(STAGES, range(50052, 50056), strict=True):
        policy = release.one("NetworkPolicy", f"bark-{stage}")
        assert policy["spec"]["podSelector"]["matchLabels"][COMPONENT] == stage
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        (rule,) = _rules_for(policy, "ingress", port)
        assert _components(rule, "from") == {"orchestrator", "autoscaler"}
    plain = Release().one("NetworkPolicy", "bark-fine")
    (rule,) = _rules_for(plain, "ingress", 50054)
    assert _components(rule, "from") == {"orchestrator"}


def test_stage_has_no_egress_unless_it_fetches() -> None:
    assert Release().one("NetworkPolicy", "bark-coarse")["spec"]["egress"] == []
    egress = Release(ci("gpu")).one("NetworkPolicy", "bark-coarse")["spec"]["egress"]
    assert {entry["port"] for rule in egress for entry in rule["ports"]} == {53, 443}


def test_orchestrator_reaches_stages_and_api_server() -> None:
    policy = Release().one("NetworkPolicy", "bark-orchestrator")
    for stage, port in zip(STAGES, range(50052, 50056), strict=True):
        (rule,) = _rules_for(policy, "egress", port)
        assert _components(rule, "to") == {stage}
    assert _rules_for(policy, "egress", 53)
    assert _rules_for(policy, "egress", 6443)
    policy = Release({"discovery": "dns"}).one("NetworkPolicy", "bark-orchestrator")
    assert not _rules_for(policy, "egress", 6443)


def test_clients_can_be_limited_and_include_the_test_pod() -> None:
    (rule,) = _rules_for(Release().one("NetworkPolicy", "bark-orchestrator"), "ingress", 50051)
    assert "from" not in rule  # any client
    release = Release(ci("gateway"))
    (rule,) = _rules_for(release.one("NetworkPolicy", "bark-orchestrator"), "ingress", 50051)
    gateway, test, *_ = rule["from"]
    assert "envoy-gateway-system" in str(gateway)
    labels = release.one("Pod", "bark-test-speak")["metadata"]["labels"]
    assert test["podSelector"]["matchLabels"].items() <= labels.items()


def test_autoscaler_reaches_every_service() -> None:
    policy = Release(ci("keda")).one("NetworkPolicy", "bark-autoscaler")
    for service, port in zip(("orchestrator", *STAGES), range(50051, 50056), strict=True):
        (rule,) = _rules_for(policy, "egress", port)
        assert _components(rule, "to") == {service}
        args = Release(ci("keda")).container("autoscaler")["args"]
        assert f"--{service}=kubernetes:bark-{service}" in args


def test_prometheus_reaches_only_the_metrics_port() -> None:
    policy = Release().one("NetworkPolicy", "bark-codec")
    (rule,) = _rules_for(policy, "ingress", 9468)
    assert "monitoring" in str(rule["from"])
    assert len(rule["ports"]) == 1


def test_only_keda_reaches_the_autoscaler() -> None:
    policy = Release(ci("keda")).one("NetworkPolicy", "bark-autoscaler")
    (rule,) = _rules_for(policy, "ingress", 50056)
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    ]


def test_only_callers_may_read_endpoint_slices() -> None:
    release = Release(ci("keda"))
    role = release.one("Role", "bark-discovery")
    assert role["rules"] == [
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    subjects = release.one("RoleBinding", "bark-discovery")["subjects"]
    assert {each["name"] for each in subjects} == {"bark-orchestrator", "bark-autoscaler"}
    assert release.all("ClusterRole") == {}
    for name, account in release.all("ServiceAccount").items():
        assert account["automountServiceAccountToken"] is False
        service = name.removeprefix("bark-")
        pod = release.pod(service)
        assert pod["serviceAccountName"] == name
        assert pod["automountServiceAccountToken"] is (service in ("orchestrator", "autoscaler"))


def test_dns_discovery_needs_no_token() -> None:
    release = Release({"discovery": "dns"})
    assert release.all("Role") == release.all("RoleBinding") == {}
    for service in ("orchestrator", *STAGES):
        assert release.pod(service)["automountServiceAccountToken"] is False
