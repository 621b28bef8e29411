"""A hardened cluster: the restricted Pod Security Standard, and a policy that denies all traffic.

The connections that pods need come from their arguments and variables, not from the policies.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from barkserve.services import SERVICES
from tests.helm.chart import CHART, VALUES_FILES, Manifest, Release, ci, release_of, values_of
from tests.helm.network import OUTSIDE, Endpoint, Network, pods
from tests.helm.pod_security import violations

FILES = [*VALUES_FILES, CHART / "values.yaml"]
PORTS = {entry.name: entry.port for entry in SERVICES}
METRICS = {entry.name: entry.metrics_port for entry in SERVICES}
API_PORTS = {443, 6443}  # before and after the translation of the Service's address
DNS = 53
WYOMING, HEALTH = 10200, 50060
INSIDE = {*PORTS.values(), *METRICS.values(), WYOMING, HEALTH, 1, 22}
BEYOND = {*API_PORTS, 80, 3128, 8443, 1, 22}

STRANGER = Endpoint("other", {"app": "stranger"})
PROMETHEUS = Endpoint("monitoring", {"app": "prometheus"})
KEDA = Endpoint("keda", {"app": "keda-operator"})

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@by_file
def test_every_pod_meets_the_restricted_standard(path: Path) -> None:
    found = pods(release_of(path))
    assert len(found) >= 6
    for name, (_, spec) in found.items():
        assert violations(spec) == [], name


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"hostNetwork": True}, "hostNetwork is true"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volume hostPath"),
        ({"volumes": [{"name": "a", "nfs": {"server": "a", "path": "/"}}]}, "volume nfs"),
        ({"securityContext": {"runAsUser": 0}}, "pod: runAsUser is 0"),
        ({"securityContext": {"runAsNonRoot": True}}, "coarse: seccompProfile"),
        ({"securityContext": {}}, "coarse: runAsNonRoot is not true"),
    ],
)
def test_forbidden_setting_of_a_pod_is_found(change: Manifest, violation: str) -> None:
    assert violation in violations(copy.deepcopy(Release().pod("coarse")) | change)


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"allowPrivilegeEscalation": True}, "coarse: allowPrivilegeEscalation is not false"),
        ({"allowPrivilegeEscalation": None}, "coarse: allowPrivilegeEscalation is not false"),
        ({"capabilities": {"drop": ["NET_RAW"]}}, "coarse: capabilities are not dropped"),
        ({"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, "coarse: capability SYS_ADMIN"),
        ({"privileged": True}, "coarse: privileged"),
        ({"seccompProfile": {"type": "Unconfined"}}, "coarse: seccompProfile"),
    ],
)
def test_forbidden_setting_of_a_container_is_found(change: Manifest, violation: str) -> None:
    pod = copy.deepcopy(Release().pod("coarse"))
    pod["containers"][0]["securityContext"] |= change
    assert violation in violations(pod)


@by_file
def test_pods_reach_exactly_the_pods_they_call(path: Path) -> None:
    release = release_of(path)
    network, found = Network(release), pods(release)
    tested = set().union(*(_called(spec) for name, (_, spec) in found.items() if _is_test(name)))
    for source, (pod, spec) in found.items():
        names = tested if _is_test(source) else _called(spec)  # one policy for all test pods
        called = {(name, PORTS[name]) for name in names}
        for target, (other, _) in found.items():
            for port in INSIDE:
                expected = (target, port) in called
                assert network.allows(pod, other, port) is expected, f"{source} {target}:{port}"


@by_file
def test_pods_reach_exactly_what_they_call_outside(path: Path) -> None:
    release = release_of(path)
    network = Network(release)
    given = values_of(path).get("networkPolicy", {}).get("egress", [])  # for every pod
    for name, (pod, spec) in pods(release).items():
        needed, extra = _needed_outside(spec)
        extra |= {entry["port"] for rule in given for entry in rule["ports"]}
        reached = {port for port in BEYOND if network.allows(pod, OUTSIDE, port)}
        assert needed <= reached <= needed | extra, name
        resolves = network.allows(pod, Endpoint("kube-system"), DNS, "UDP")
        assert resolves is bool(needed or _called(spec)), name
        assert not network.allows(pod, OUTSIDE, 443, "UDP")


@by_file
def test_others_reach_exactly_what_they_may(path: Path) -> None:
    release = release_of(path)
    network = Network(release)
    limited = values_of(path).get("networkPolicy", {}).get("clients", [])
    selectors = (each["namespaceSelector"]["matchLabels"] for each in limited)
    proxies = [Endpoint(each["kubernetes.io/metadata.name"]) for each in selectors]
    public = {("orchestrator", 50051), ("gateway", 8080)}
    scaled = {("autoscaler", 50056)} if release.all("ScaledObject") else set()
    anyone = set() if limited else public
    may = [
        (STRANGER, anyone),
        (OUTSIDE, anyone),
        *((proxy, public) for proxy in proxies),
        (PROMETHEUS, {*METRICS.items()} | anyone),
        (KEDA, scaled | anyone),
    ]
    for source, targets in may:
        for name, (pod, _) in pods(release).items():
            for port in INSIDE:
                allowed = network.allows(source, pod, port)
                assert allowed is ((name, port) in targets), f"{source.namespace} {name}:{port}"


def test_orchestrator_reaches_its_keys_mirror_and_store() -> None:
    options = {"auth-jwks": "https://login.example.org:8443/keys"}
    values: dict[str, Any] = {
        "services": {"orchestrator": {"options": options}},
        "weights": {
            "source": "hub",
            "hub": {"name": "a/b", "endpoint": "http://hub.example.org:3128"},
        },
        "voices": {"store": "url", "url": "s3://bucket/voices"},
    }
    release = Release(values)
    network, found = Network(release), pods(release)

    def reached(service: str) -> set[int]:
        return {port for port in BEYOND if network.allows(found[service][0], OUTSIDE, port)}

    assert reached("orchestrator") == {443, 3128, 6443, 8443}
    assert reached("coarse") == {3128}
    assert reached("gateway") == set()


def test_wyoming_clients_reach_the_gateway_alone() -> None:
    home = [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.9/32"]}}]
    release = Release({"exposure": {"wyoming": {"enabled": True, "clients": home}}})
    network, found = Network(release), pods(release)
    for address, expected in (("192.0.2.7", True), ("192.0.2.9", False), ("192.0.3.1", False)):
        source = Endpoint(address=address)
        assert network.allows(source, found["gateway"][0], WYOMING) is expected
        assert not network.allows(source, found["orchestrator"][0], WYOMING)


def _is_test(name: str) -> bool:
    return name.startswith("test-")


def _called(spec: Manifest) -> set[str]:
    """The services of the release that a pod's arguments name."""
    (container,) = spec["containers"]
    text = " ".join(container["args"])
    found = set(re.findall(r"--(\w+)=(?:kubernetes|dns):", text))
    found |= set(re.findall(r"--(orchestrator)=[\w.-]+\.svc:\d+", text))
    if container["name"] == "speak":  # the pods of `helm test` call the Services for clients
        found |= {"gateway" if "/v1/audio/speech" in text else "orchestrator"}
    return found


def _needed_outside(spec: Manifest) -> tuple[set[int], set[int]]:
    """The ports outside the release that a pod calls, and those that a proxy makes unnecessary."""
    (container,) = spec["containers"]
    text = " ".join(container["args"])
    needed = API_PORTS if "=kubernetes:" in text else set()
    urls = re.findall(r"--auth-jwks=(http\S+)", text)
    urls += ["https://bucket"] * ("--voice-store=s3:" in text)
    extra: set[int] = set()
    for fetch in _fetches(spec):
        environment = {each["name"]: each.get("value", "") for each in fetch["env"]}
        hub = environment.get("HF_ENDPOINT", "https://huggingface.co")
        if proxy := environment.get("HTTPS_PROXY"):
            extra, hub = {_port(hub)}, proxy
        urls.append(hub)
    return needed | {_port(url) for url in urls}, extra


def _fetches(spec: Manifest) -> Iterator[Manifest]:
    """The init containers that fetch from the hub."""
    for container in spec.get("initContainers", []):
        if not any(word.startswith("--checkpoint=/") for word in container["args"]):
            yield container


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def test_fetch_reaches_the_proxy_of_the_mirror_values() -> None:
    (fetch,) = _fetches(Release(ci("mirror")).pod("coarse"))
    assert _needed_outside({"containers": [{"args": []}], "initContainers": [fetch]})[0] == {3128}
