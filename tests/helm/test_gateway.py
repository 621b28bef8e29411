"""The HTTP gateway: its pod, its way to the orchestrator, its callers and its exposure."""

from typing import Any

import helm_python
import pytest

from barkserve.config.gateway import GatewayOptions
from barkserve.serving.auth.certificate_roles import open_certificate_roles
from barkserve.serving.caller import CallerLimits, Role
from barkserve.serving.exposure import check_exposure, check_wyoming_exposure
from tests.helm.chart import Release, ci
from tests.helm.test_tls import WITHOUT_HTTP, options_of


def test_gateway_is_on_by_default_and_can_be_off() -> None:
    assert "bark-gateway" in Release().all("Deployment")
    off = Release(WITHOUT_HTTP)
    names = {each["metadata"]["name"] for each in off.manifests}
    assert not {name for name in names if "gateway" in name or "http" in name}
    assert "localhost:8080" not in off.notes
    assert "http://localhost:8080" in Release().notes


@pytest.mark.parametrize(("values", "scheme"), [({}, "HTTP"), (ci("http"), "HTTPS")])
def test_probes_ask_the_gateways_own_paths(values: dict[str, Any], scheme: str) -> None:
    container = Release(values).container("gateway")
    asked = {
        probe: container[f"{probe}Probe"]["httpGet"]
        for probe in ("startup", "readiness", "liveness")
    }
    assert {probe: each["path"] for probe, each in asked.items()} == {
        "startup": "/healthz",
        "readiness": "/readyz",
        "liveness": "/healthz",
    }
    assert {(each["port"], each["scheme"]) for each in asked.values()} == {("http", scheme)}


def test_gateway_finds_the_orchestrator_by_a_name_in_its_certificate() -> None:
    release = Release(ci("http"))
    chosen = options_of(release, "gateway")
    assert isinstance(chosen, GatewayOptions)
    host, _, port = chosen.orchestrator.partition(":")
    assert host in release.one("Certificate", "bark-orchestrator")["spec"]["dnsNames"]
    ports = release.one("Service", "bark-orchestrator")["spec"]["ports"]
    assert int(port) in {each["port"] for each in ports}
    (secret,) = (
        each["secret"] for each in release.pod("gateway")["volumes"] if each["name"] == "tls"
    )
    certificate = release.one("Certificate", "bark-gateway")["spec"]
    assert secret["secretName"] == certificate["secretName"]
    assert {"server auth", "client auth"} <= set(certificate["usages"])
    assert {"bark-http.speech.svc", "bark-gateway.speech.svc"} < set(certificate["dnsNames"])


def test_wyoming_has_a_service_of_its_own_when_enabled() -> None:
    assert "bark-wyoming" not in Release().all("Service")
    home = [{"ipBlock": {"cidr": "192.0.2.7/32"}}]
    wyoming = {"enabled": True, "clients": home, "service": {"type": "LoadBalancer"}}
    release = Release({"exposure": {"wyoming": wyoming}})
    chosen = options_of(release, "gateway")
    assert isinstance(chosen, GatewayOptions)
    check_wyoming_exposure(chosen, chosen.insecure)  # raises if the gateway would not start
    container = release.container("gateway")
    assert {"name": "wyoming", "containerPort": chosen.wyoming_port} in container["ports"]
    service = release.one("Service", "bark-wyoming")["spec"]
    assert service["type"] == "LoadBalancer"
    assert service["selector"] == release.one("Service", "bark-http")["spec"]["selector"]
    assert service["ports"] == [{"name": "wyoming", "port": 10200, "targetPort": "wyoming"}]
    policy = release.one("NetworkPolicy", "bark-gateway")["spec"]["ingress"]
    assert {"ports": [{"port": chosen.wyoming_port}], "from": home} in policy


def test_wyoming_is_refused_without_insecure() -> None:
    values = ci("http") | {"exposure": {"wyoming": {"enabled": True}}}
    with pytest.raises(helm_python.HelmError, match=r"exposure\.wyoming\.enabled needs .*insecure"):
        Release(values)


def test_example_gateway_requires_tokens_that_are_checked() -> None:
    release = Release(ci("http"))
    chosen = options_of(release, "gateway")
    assert isinstance(chosen, GatewayOptions)
    assert (chosen.require_tokens, chosen.insecure) == (True, False)
    assert chosen.cors_origins == "https://www.example.org"
    assert chosen.trusted_proxies == "10.0.0.0/8"
    check_exposure(chosen)  # raises if the gateway would refuse to start
    check_exposure(options_of(release, "orchestrator"))
    mounts = {each["mountPath"] for each in release.container("orchestrator")["volumeMounts"]}
    assert "/tokens" in mounts
    assert "bark-test-http" not in release.all("Pod")  # it has no token


@pytest.mark.parametrize("requires_tokens", [True, False])
def test_gateways_certificate_may_forward(requires_tokens: bool) -> None:
    options: dict[str, Any] = {"require-tokens": requires_tokens}
    orchestrator: dict[str, Any] = {"auth-tokens": "/tokens/tokens.toml"}
    values = {"gateway": {"options": options}, "orchestrator": {"options": orchestrator}}
    tls = ci("tls")["tls"] | {"roles": "speak=web.example.org"}
    chosen = options_of(Release({"tls": tls, "services": values}), "orchestrator")
    expected = "speak=web.example.org,forward=bark-gateway.speech.svc"
    expected += "" if requires_tokens else ",speak=bark-gateway.speech.svc"
    assert chosen.certificate_roles == expected
    roles = open_certificate_roles(chosen, CallerLimits())
    assert roles is not None
    patterns = {role for role, pattern in roles._patterns if "gateway" in pattern}
    assert patterns == {Role.FORWARD} | (set() if requires_tokens else {Role.SPEAK})


def test_gateway_reaches_only_the_orchestrator() -> None:
    release = Release(ci("http"))
    spec = release.one("NetworkPolicy", "bark-gateway")["spec"]
    (rule,) = (each for each in spec["ingress"] if each["ports"] == [{"port": 8080}])
    assert "envoy-gateway-system" in str(rule["from"][0])
    reached = [peer["podSelector"] for each in spec["egress"] for peer in each.get("to", [])]
    assert [each["matchLabels"]["app.kubernetes.io/component"] for each in reached] == [
        "orchestrator"
    ]
    (rule,) = (
        each
        for each in release.one("NetworkPolicy", "bark-orchestrator")["spec"]["ingress"]
        if each["ports"] == [{"port": 50051}]
    )
    assert "'app.kubernetes.io/component': 'gateway'" in str(rule["from"])
    for stage in ("semantic", "coarse", "fine", "codec"):
        assert "gateway" not in str(release.one("NetworkPolicy", f"bark-{stage}"))


def test_http_clients_have_a_service_of_their_own() -> None:
    spec = Release().one("Service", "bark-http")["spec"]
    assert spec["selector"]["app.kubernetes.io/component"] == "gateway"
    assert spec["ports"] == [
        {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}
    ]


@pytest.mark.parametrize(
    ("controller", "expected"),
    [
        (
            "nginx",
            {
                "nginx.ingress.kubernetes.io/backend-protocol": "HTTP",
                "nginx.ingress.kubernetes.io/proxy-read-timeout": "1800",  # of a quiet WebSocket
                "nginx.ingress.kubernetes.io/proxy-buffering": "off",
            },
        ),
        (
            "alb",
            {
                "alb.ingress.kubernetes.io/backend-protocol-version": "HTTP1",
                "alb.ingress.kubernetes.io/healthcheck-path": "/readyz",
                "alb.ingress.kubernetes.io/load-balancer-attributes": (
                    "idle_timeout.timeout_seconds=1800"
                ),
            },
        ),
    ],
)
def test_ingress_of_the_gateway_keeps_websockets_open(
    controller: str, expected: dict[str, str]
) -> None:
    values = ci("ingress")
    values["exposure"]["ingress"]["controller"] = controller
    release = Release(values)
    ingress = release.one("Ingress", "bark-http")
    assert expected.items() <= ingress["metadata"]["annotations"].items()
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == "web.speech.example.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {
        "name": "bark-http",
        "port": {"name": "http"},
    }


def test_route_of_the_gateway_keeps_websockets_open() -> None:
    release = Release(ci("http"))
    spec = release.one("HTTPRoute", "bark-http")["spec"]
    assert spec["hostnames"] == ["speech.example.org"]
    assert spec["rules"] == [
        {
            "backendRefs": [{"name": "bark-http", "port": 80}],
            "timeouts": {"request": "3600s"},
        }
    ]
    targets = release.one("BackendTrafficPolicy", "bark")["spec"]["targetRefs"]
    assert {(each["kind"], each["name"]) for each in targets} == {
        ("GRPCRoute", "bark"),
        ("HTTPRoute", "bark-http"),
    }
    assert "HTTPRoute" not in {each["kind"] for each in Release(ci("gateway")).manifests}


def test_gateway_scales_by_cpu_and_is_monitored() -> None:
    (trigger,) = Release(ci("keda")).one("ScaledObject", "bark-gateway")["spec"]["triggers"]
    assert trigger["type"] == "cpu"
    hpa = Release(ci("hpa")).one("HorizontalPodAutoscaler", "bark-gateway")["spec"]
    assert hpa["metrics"][0]["containerResource"]["name"] == "cpu"
    spec = Release(ci("keda")).one("ServiceMonitor", "bark")["spec"]
    assert "gateway" in spec["selector"]["matchExpressions"][0]["values"]


@pytest.mark.parametrize("values", [{}, ci("tls-secrets")])
def test_helm_test_speaks_through_the_gateway(values: dict[str, Any]) -> None:
    release = Release(values)
    (container,) = release.one("Pod", "bark-test-http")["spec"]["containers"]
    compile(container["args"][0], "test", "exec")
    scheme, _, rest = container["args"][1].partition("://")
    assert scheme == ("https" if values else "http")
    assert rest == "bark-http:80/v1/audio/speech"
