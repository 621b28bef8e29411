"""Evaluates the NetworkPolicies of a release in a cluster that denies everything by default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.helm.chart import Manifest, Release

NAMESPACE = "speech"
_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection.

    Args:
        namespace: the pod's namespace; empty for an address that is not a pod's.
        labels: the pod's labels.
        ports: the numbers of its named ports.
        address: its IP address.
    """

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = "198.51.100.7"


OUTSIDE = Endpoint()


def pods(release: Release) -> dict[str, tuple[Endpoint, Manifest]]:
    """The pods of a release with their specs, by name without `bark-`."""
    found = {}
    for each in release.manifests:
        if each["kind"] == "Deployment":
            labels, spec = (
                each["spec"]["template"]["metadata"]["labels"],
                each["spec"]["template"]["spec"],
            )
        elif each["kind"] == "Pod":
            labels, spec = each["metadata"]["labels"], each["spec"]
        else:
            continue
        entries = (port for container in spec["containers"] for port in container.get("ports", []))
        ports = {port["name"]: port["containerPort"] for port in entries}
        name = each["metadata"]["name"].removeprefix("bark-")
        found[name] = (Endpoint(NAMESPACE, labels, ports), spec)
    return found


class Network:
    """The connections that a release's policies allow, beside a policy that denies all others.

    Args:
        release: the rendered chart.
    """

    def __init__(self, release: Release) -> None:
        self._policies = [each["spec"] for each in release.all("NetworkPolicy").values()]

    def allows(self, source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection passes the policies of both ends."""
        return self.lets_out(source, target, port, protocol) and (
            target.namespace != NAMESPACE
            or any(
                _matches(rule, "from", source, target, port, protocol)
                for rule in self._rules(target, "Ingress")
            )
        )

    def lets_out(self, source: Endpoint, target: Endpoint, port: int, protocol: str) -> bool:
        """Whether a connection passes the policies of its source."""
        return source.namespace != NAMESPACE or any(
            _matches(rule, "to", target, target, port, protocol)
            for rule in self._rules(source, "Egress")
        )

    def _rules(self, pod: Endpoint, direction: str) -> Iterator[Manifest]:
        for policy in self._policies:
            if direction in policy["policyTypes"] and _selects(policy["podSelector"], pod.labels):
                yield from policy.get(direction.lower(), [])


def _matches(
    rule: Manifest, side: str, peer: Endpoint, target: Endpoint, port: int, protocol: str
) -> bool:
    peers, ports = rule.get(side), rule.get("ports")
    return (not peers or any(_is_peer(each, peer) for each in peers)) and (
        not ports or any(_is_port(each, target, port, protocol) for each in ports)
    )


def _is_port(entry: Manifest, target: Endpoint, port: int, protocol: str) -> bool:
    first = entry.get("port", port)
    first = target.ports.get(first, -1) if isinstance(first, str) else first
    return entry.get("protocol", "TCP") == protocol and first <= port <= entry.get("endPort", first)


def _is_peer(peer: Manifest, endpoint: Endpoint) -> bool:
    if "ipBlock" in peer:
        address = ip_address(endpoint.address)
        excluded = (ip_network(each) for each in peer["ipBlock"].get("except", []))
        inside = address in ip_network(peer["ipBlock"]["cidr"])
        return not endpoint.namespace and inside and not any(address in each for each in excluded)
    if not endpoint.namespace:
        return False
    if "namespaceSelector" not in peer:
        in_namespace = endpoint.namespace == NAMESPACE
    else:
        in_namespace = _selects(peer["namespaceSelector"], {_NAME: endpoint.namespace})
    return in_namespace and _selects(peer.get("podSelector", {}), endpoint.labels)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(_holds(each, labels) for each in expressions)


def _holds(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    if expression["operator"] in ("Exists", "DoesNotExist"):
        return (key in labels) is (expression["operator"] == "Exists")
    return (labels.get(key) in values) is (expression["operator"] == "In")
