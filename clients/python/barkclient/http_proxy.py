"""The HTTP proxy that gRPC uses for a server. gRPC reads it from the environment."""

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

ProxyUse = Literal["environment", "off"]
"""Whether calls go through the HTTP proxy that the environment names. Those to this machine never
do."""

_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")
_SCHEME = re.compile(r"(?:dns|ipv4|ipv6):(?://[^/]*/)?")
_SOCKETS = ("unix:", "unix-abstract:")


def is_loopback(target: str) -> bool:
    """Whether a server is on this machine.

    Args:
        target: HOST:PORT, or another form that gRPC resolves.
    """
    if target.startswith(_SOCKETS):
        return True
    addresses = _SCHEME.sub("", unquote(target), count=1)
    return all(_is_loopback_host(_host_of(address)) for address in addresses.split(","))


def via_proxy(target: str, use: ProxyUse, environment: Mapping[str, str] = os.environ) -> str:
    """Describe the proxy between here and a server, for error messages.

    Args:
        target: the server's address.
        use: whether calls go through a proxy.
        environment: the variables that gRPC reads.

    Returns:
        " through the proxy http://HOST:PORT of VARIABLE", without passwords; empty without a proxy.
    """
    if use == "off" or is_loopback(target) or target.startswith("vsock:"):
        return ""
    variable = next((name for name in _PROXY_VARIABLES if name in environment), "")
    try:
        url = urlsplit(environment.get(variable, ""))
    except ValueError:
        return ""
    address = url.netloc.rpartition("@")[2]
    if url.scheme != "http" or not address or _is_excepted(target, environment):
        return ""  # gRPC supports no other scheme
    return f" through the proxy http://{address} of {variable}"


def described(target: str, use: ProxyUse) -> str:
    """Return a server's address for error messages, which also name the proxy."""
    via = via_proxy(target, use)
    return f"{target}{via} (without it: --grpc-proxy off)" if via else target


def _is_excepted(target: str, environment: Mapping[str, str]) -> bool:
    """Whether the environment excludes a server from the proxy, by gRPC's rules."""
    variable = next((name for name in _EXCEPTION_VARIABLES if name in environment), "")
    host = _host_of(_SCHEME.sub("", unquote(target), count=1))
    entries = environment.get(variable, "").split(",")
    return any(_includes(entry.strip(), host) for entry in entries if entry)


def _includes(entry: str, host: str) -> bool:
    if host.lower().endswith(entry.lower()):
        return True
    try:
        return "/" in entry and ipaddress.ip_address(host) in ipaddress.ip_network(entry, False)
    except ValueError:
        return False


def _host_of(address: str) -> str:
    return address.rpartition(":")[0].strip("[]") or address


def _is_loopback_host(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return ip.is_loopback or ip.is_unspecified
