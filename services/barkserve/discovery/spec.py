"""Parses options that say where the replicas of a service are.

static:HOST:PORT,...                    a fixed list; the prefix may be omitted
dns:NAME:PORT                           the addresses of a name
kubernetes:SERVICE[.NAMESPACE][:PORT]   the endpoints of a Kubernetes Service
"""

import re

from barkserve.discovery.dns import DnsResolver
from barkserve.discovery.endpoint import Resolver
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from barkserve.discovery.static import StaticResolver
from barkserve.errors import StartupError

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]]+):(\d{1,5})")
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SERVICE = re.compile(rf"({_LABEL})(?:\.({_LABEL}))?(?::(\d{{1,5}}))?")


def resolver_of(option: str, text: str, default_port: int) -> Resolver:
    """Make the resolver for the value of an option.

    Args:
        option: the flag, such as "--coarse", for errors.
        text: the value.
        default_port: the port of a Kubernetes Service whose EndpointSlices have no port.

    Raises:
        StartupError: the value has none of the forms above, or the kubernetes client is missing.
    """
    scheme, _, rest = text.partition(":")
    match scheme:
        case "dns":
            return _dns(option, rest)
        case "kubernetes":
            return _kubernetes(option, rest, default_port)
        case "static":
            return _static(option, rest)
    return _static(option, text)


def _static(option: str, text: str) -> Resolver:
    addresses = [part.strip() for part in text.split(",") if part.strip()]
    if not addresses or not all(_is_address(address) for address in addresses):
        raise StartupError(
            f"{option}: {text!r} is not HOST:PORT, a list of them, dns:NAME:PORT or "
            "kubernetes:SERVICE.NAMESPACE"
        )
    return StaticResolver(addresses)


def _dns(option: str, text: str) -> Resolver:
    if not _is_address(text) or text.startswith("["):
        raise StartupError(f"{option}: 'dns:{text}' is not dns:NAME:PORT")
    host, _, port = text.rpartition(":")
    return DnsResolver(host, int(port))


def _kubernetes(option: str, text: str, default_port: int) -> Resolver:
    match = _SERVICE.fullmatch(text)
    if match is None or int(match[3] or 1) not in range(1, 65536):
        raise StartupError(
            f"{option}: 'kubernetes:{text}' is not kubernetes:SERVICE, "
            "kubernetes:SERVICE.NAMESPACE or one of them with :PORT"
        )
    port = int(match[3]) if match[3] else None
    return EndpointSliceResolver(match[1], match[2], port, default_port)


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1]) in range(1, 65536)
