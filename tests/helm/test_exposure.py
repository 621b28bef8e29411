"""Access for clients, timeouts of streams, monitors and installation notes."""

import re

import pytest

from barkclient.cli.arguments import SayArguments, parse
from barkserve.constants import STAGES
from tests.helm.chart import Release, ci


def test_services_are_headless() -> None:
    services = Release().all("Service")
    for service in ("orchestrator", *STAGES):
        spec = services[f"bark-{service}"]["spec"]
        assert spec["clusterIP"] == "None"
        assert spec["selector"]["app.kubernetes.io/component"] == service
        assert {port["name"] for port in spec["ports"]} == {"grpc", "metrics"}


def test_clients_have_one_service() -> None:
    spec = Release().one("Service", "bark")["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["selector"]["app.kubernetes.io/component"] == "orchestrator"
    assert spec["ports"] == [
        {"name": "grpc", "port": 50051, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"}
    ]
    spec = Release(ci("tls")).one("Service", "bark")["spec"]
    assert spec["type"] == "LoadBalancer"
    assert "appProtocol" not in spec["ports"][0]


def test_ingress_keeps_streams_open() -> None:
    ingress = Release(ci("ingress")).one("Ingress", "bark")
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "GRPC"
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "1800"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["speech.example.org"], "secretName": "speech-example-org"}
    ]


@pytest.mark.parametrize(
    ("controller", "kind", "annotation"),
    [
        ("traefik", "Service", "traefik.ingress.kubernetes.io/service.serversscheme"),
        ("alb", "Ingress", "alb.ingress.kubernetes.io/backend-protocol-version"),
    ],
)
def test_other_ingress_controllers_get_grpc_annotations(
    controller: str, kind: str, annotation: str
) -> None:
    values = ci("ingress")
    values["exposure"]["ingress"] |= {
        "className": "",
        "controller": controller,
        "annotations": {"mine": "too"},
    }
    release = Release(values)
    assert annotation in release.one(kind, "bark")["metadata"]["annotations"]
    assert release.one("Ingress", "bark")["metadata"]["annotations"]["mine"] == "too"
    assert "nginx" not in str(release.manifests)


def test_gateway_route_keeps_streams_open() -> None:
    release = Release(ci("gateway"))
    (rule,) = release.one("GRPCRoute", "bark")["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": "bark", "port": 50051}]
    policy = release.one("BackendTrafficPolicy", "bark")["spec"]
    assert policy["timeout"]["http"] == {
        "requestTimeout": "0s",  # of the whole call, streams included: off
        "maxStreamDuration": "3600s",
        "streamIdleTimeout": "3600s",
        "connectionIdleTimeout": "3600s",
    }
    trust = release.one("BackendTLSPolicy", "bark")["spec"]["validation"]
    certificate = release.one("Certificate", "bark-orchestrator")["spec"]
    assert trust["hostname"] in certificate["dnsNames"]


def test_nginx_routes_have_a_filter_with_timeouts() -> None:
    """The timeouts of nginx are between two reads and for the client's messages, 60 s each."""
    release = Release(ci("nginx-gateway"))
    (snippet,) = release.one("SnippetsFilter", "bark")["spec"]["snippets"]
    assert snippet["context"] == "http.server.location"
    assert set(snippet["value"].splitlines()) == {
        f"{name} 3600s;"
        for name in (
            "grpc_read_timeout",
            "grpc_send_timeout",
            "proxy_read_timeout",
            "proxy_send_timeout",
            "client_body_timeout",
        )
    }
    reference = {"group": "gateway.nginx.org", "kind": "SnippetsFilter", "name": "bark"}
    for kind, name, more in (
        ("GRPCRoute", "bark", ["ResponseHeaderModifier"]),
        ("HTTPRoute", "bark-http", []),
    ):
        (rule,) = release.one(kind, name)["spec"]["rules"]
        first, *others = rule["filters"]
        assert first == {"type": "ExtensionRef", "extensionRef": reference}
        assert [each["type"] for each in others] == more


def test_kgateway_routes_have_a_policy_with_timeouts() -> None:
    """The timeouts of a TrafficPolicy apply to an HTTPRoute only."""
    release = Release(ci("kgateway"))
    policy = release.one("TrafficPolicy", "bark")["spec"]
    assert policy["timeouts"] == {"streamIdle": "7200s"}
    targets = {(each["kind"], each["name"]) for each in policy["targetRefs"]}
    assert targets == {("HTTPRoute", "bark"), ("HTTPRoute", "bark-http")}
    (rule,) = release.one("HTTPRoute", "bark")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "7200s"}
    (port,) = release.one("Service", "bark")["spec"]["ports"]
    assert port["appProtocol"] == "kubernetes.io/h2c"  # else it would call with HTTP/1.1
    assert release.all("GRPCRoute") == {}


def test_kgateway_keeps_a_grpc_route_with_tls() -> None:
    """No appProtocol says that a port speaks HTTP/2 under TLS; a GRPCRoute does."""
    values = ci("gateway")
    values["exposure"]["gateway"]["implementation"] = "kgateway"
    release = Release(values)
    assert release.all("GRPCRoute").keys() == {"bark"}
    (target,) = release.one("TrafficPolicy", "bark")["spec"]["targetRefs"]
    assert (target["kind"], target["name"]) == ("GRPCRoute", "bark")


def test_own_rules_come_before_the_rule_of_the_chart() -> None:
    rules = Release(ci("kgateway")).one("HTTPRoute", "bark-http")["spec"]["rules"]
    assert [rule.get("backendRefs") for rule in rules] == [
        None,
        [{"name": "bark-http", "port": 80}],
    ]
    assert rules[0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/status"}}]
    values = ci("kgateway")
    values["exposure"]["gateway"]["rules"] = [{"matches": [{"path": {"value": "/a"}}]}]
    first, _ = Release(values).one("HTTPRoute", "bark")["spec"]["rules"]
    assert first == {"matches": [{"path": {"value": "/a"}}]}


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("ClusterIP", "port-forward service/bark 50051:50051"),
        ("LoadBalancer", "{.status.loadBalancer.ingress[0]}"),
        ("NodePort", "{.spec.ports[0].nodePort}"),
    ],
)
def test_notes_fit_the_type_of_the_service(type_: str, words: str) -> None:
    assert words in Release({"exposure": {"service": {"type": type_}}}).notes


def test_notes_warn_without_registry_or_revision() -> None:
    assert "WARNING: image.registry is empty" in Release().notes
    for values in ({"image": {"registry": "a"}}, {"global": {"imageRegistry": "a"}}):
        assert "image.registry" not in Release(values).notes
    hub = {"name": "suno/bark"}
    warning = "WARNING: weights.hub.revision is empty"
    assert warning in Release({"weights": {"source": "hub", "hub": hub}}).notes
    hub["revision"] = "abc"
    assert warning not in Release({"weights": {"source": "hub", "hub": hub}}).notes


def test_notes_say_that_ingress_nginx_is_retired() -> None:
    values = ci("ingress")
    assert "ingress-nginx was retired" in Release(values).notes
    values["exposure"]["ingress"]["controller"] = "traefik"
    assert "ingress-nginx was retired" not in Release(values).notes


@pytest.mark.parametrize(
    ("values", "kind", "endpoints"),
    [("keda", "ServiceMonitor", "endpoints"), ("gpu", "PodMonitor", "podMetricsEndpoints")],
)
def test_monitors_select_each_service_once(values: str, kind: str, endpoints: str) -> None:
    release = Release(ci(values))
    spec = release.one(kind, "bark")["spec"]
    assert [each["port"] for each in spec[endpoints]] == ["metrics"]
    (wanted,) = spec["selector"]["matchExpressions"]
    labels = {
        name: each["metadata"]["labels"]["app.kubernetes.io/component"]
        for name, each in release.all("Service").items()
    }
    found = {name for name, component in labels.items() if component in wanted["values"]}
    assert found == set(labels) - {"bark", "bark-http"}
    assert Release().all(kind) == {}


@pytest.mark.parametrize("values", [{}, ci("ingress"), ci("gateway"), ci("gpu")])
def test_notes_show_how_to_speak_a_sentence(values: dict) -> None:
    notes = Release(values).notes
    assert "helm -n speech test bark" in notes
    (line,) = re.findall(r"barkclient (say .*)", notes)
    assert "Hello from the cluster." in line


def test_helm_test_speaks_through_the_client_service() -> None:
    release = Release()
    pod = release.one("Pod", "bark-test-speak")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["barkclient"]
    command = parse(container["args"], {})
    assert isinstance(command, SayArguments)
    host, _, port = command.server.partition(":")
    assert int(port) == release.one("Service", host)["spec"]["ports"][0]["port"]
