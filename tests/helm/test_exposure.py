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
