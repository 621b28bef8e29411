"""Refuses to offer a service to other machines without encryption and authentication."""

import ipaddress
import socket

from barkserve.config.gateway import WyomingOptions
from barkserve.config.process import ListenOptions
from barkserve.errors import StartupError


def check_exposure(options: ListenOptions) -> None:
    """Check that only known callers can use a service over the network.

    Raises:
        StartupError: the service would listen beyond this machine without TLS or authentication,
            and --insecure does not allow that.
    """
    if options.insecure or not _listens_beyond_loopback(options.host):
        return
    if not (options.tls_cert and options.tls_key):
        missing, remedy = "no TLS", "--tls-cert and --tls-key"
    elif not options.authenticates_callers:
        missing, remedy = "no authentication", " or ".join(options.authentication_flags)
    else:
        return
    raise StartupError(
        f"--host {options.host} lets other machines call this service, which has {missing}: give "
        f"{remedy}, or listen on 127.0.0.1, or add --insecure if a firewall or proxy protects the "
        "port"
    )


def check_wyoming_exposure(options: WyomingOptions, insecure: bool) -> None:
    """Check that the Wyoming port, which has no TLS and no tokens, is for this machine alone.

    Args:
        options: where it listens.
        insecure: whether other machines may reach it all the same.

    Raises:
        StartupError: other machines could reach it.
    """
    if insecure or not options.wyoming_port or not _listens_beyond_loopback(options.wyoming_host):
        return
    raise StartupError(
        f"--wyoming-host {options.wyoming_host} lets other machines call this service, and Wyoming "
        "has no encryption and no authentication: listen on 127.0.0.1, give --wyoming-port 0, or "
        "add --insecure if a firewall protects the port"
    )


def _listens_beyond_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # an address that cannot be used, which the bind reports
    return not all(ipaddress.ip_address(str(each[4][0])).is_loopback for each in found)
