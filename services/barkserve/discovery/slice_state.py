"""Converts the EndpointSlices of a Service to endpoints. Pure functions."""

from collections.abc import Iterable
from typing import Any

from barkserve.discovery.dns import join_host_port
from barkserve.discovery.endpoint import Endpoint, Endpoints

PORT_NAME = "grpc"

Slice = dict[str, Any]


def endpoints_of(slices: Iterable[Slice], port: int | None, default_port: int) -> Endpoints:
    """The serving replicas, sorted by address.

    A replica that is terminating but still serves is draining. A replica that does not serve is
    omitted. While the control plane moves an address between slices, it may be in both: then it
    is draining only if both say so.

    Args:
        slices: discovery.k8s.io/v1 EndpointSlices of one Service, as JSON objects.
        port: the port that the replicas listen on; None means the port named "grpc" in the slice,
            or else its only port.
        default_port: the port if the slice has none.
    """
    draining: dict[str, bool] = {}
    for each in slices:
        chosen = port or _port(each) or default_port
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if not _serves(conditions):
                continue
            terminating = bool(conditions.get("terminating"))
            for host in (endpoint.get("addresses") or ())[
                :1
            ]:  # the other addresses are of the same pod
                address = join_host_port(host, chosen)
                draining[address] = terminating and draining.get(address, True)
    return tuple(Endpoint(address, drains) for address, drains in sorted(draining.items()))


def _serves(conditions: dict[str, Any]) -> bool:
    """Whether an endpoint serves. An absent condition means yes.

    `serving` equals `ready`, except that it stays true during a termination.
    """
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
