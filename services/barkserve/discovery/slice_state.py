"""What a Service's EndpointSlices say about its replicas. Pure: JSON objects in, endpoints out."""

from collections.abc import Iterable
from typing import Any

from barkserve.discovery.dns import join_host_port
from barkserve.discovery.endpoint import Endpoint, Endpoints

PORT_NAME = "grpc"

Slice = dict[str, Any]


def endpoints_of(slices: Iterable[Slice], port: int | None, default_port: int) -> Endpoints:
    """The replicas that serve, sorted by address.

    Args:
        slices: discovery.k8s.io/v1 EndpointSlices of one Service, as JSON objects.
        port: where the replicas listen; None: the slice's port called "grpc", else its only one,
            else `default_port`.

    A replica that is terminating but still serves is draining; one that does not serve is left out.
    While the control plane moves an address from slice to slice it may be in two of them: it is
    draining only if both say so.
    """
    draining: dict[str, bool] = {}
    for each in slices:
        chosen = port or _port(each) or default_port
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if not _serves(conditions):
                continue
            leaving = bool(conditions.get("terminating"))
            for host in (endpoint.get("addresses") or ())[:1]:  # the others are the same pod's
                address = join_host_port(host, chosen)
                draining[address] = leaving and draining.get(address, True)
    return tuple(Endpoint(address, leaving) for address, leaving in sorted(draining.items()))


def _serves(conditions: dict[str, Any]) -> bool:
    """An absent condition means yes; `serving` is `ready` that a termination does not change."""
    ready = conditions.get("ready")
    serving = conditions.get("serving")
    if serving is None:
        serving = ready
    return serving is None or bool(serving)


def _port(each: Slice) -> int | None:
    ports = each.get("ports") or []
    named = [entry for entry in ports if entry.get("name") == PORT_NAME]
    for entry in named or (ports if len(ports) == 1 else []):
        if isinstance(entry.get("port"), int):
            return int(entry["port"])
    return None
