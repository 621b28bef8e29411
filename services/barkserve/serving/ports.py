"""Binds a server to its port, with an error message that names the option to change."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import grpc

from barkserve.errors import StartupError

LOOPBACK_HOST = "127.0.0.1"
_UNSPECIFIED = {"0.0.0.0": LOOPBACK_HOST, "[::]": "[::1]"}


def reachable_host(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    return _UNSPECIFIED.get(host, host)


def bind(
    server: grpc.aio.Server,
    host: str,
    port: int,
    credentials: grpc.ServerCredentials | None = None,
    option: str = "--port",
    *,
    shared: bool = False,
) -> int:
    """Bind a server to a port.

    Args:
        server: a server that has not started.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        credentials: for TLS; None means plaintext.
        option: the option that the port came from, for the error message.
        shared: whether other processes listen on this port too.

    Returns:
        The port.

    Raises:
        StartupError: the port or the address cannot be used.
    """
    if not shared:
        _check_port(host, port, option)
    try:
        if credentials is None:
            return server.add_insecure_port(f"{host}:{port}")
        return server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError as error:  # another process took the port after the check
        raise _cannot_listen(host, port, option, str(error)) from error


@contextmanager
def listening_socket(
    host: str, port: int, option: str = "--port", host_option: str = "--host"
) -> Iterator[socket.socket]:
    """Bind a TCP socket for the duration of the block.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        option: the option that the port came from, for the error message.
        host_option: the option that the host came from, for the error message.

    Raises:
        StartupError: the port or the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        with closing(socket.socket(found[0][0])) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if bound.family == socket.AF_INET6:  # [::] serves IPv4 too
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            bound.bind(found[0][4])
            bound.listen()
            yield bound
    except OSError as error:
        reason = error.strerror or str(error)
        raise _cannot_listen(host, port, option, reason, host_option) from error


def free_ports(count: int, host: str = LOOPBACK_HOST) -> list[int]:
    """Find ports that no program uses now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _check_port(host: str, port: int, option: str) -> None:
    """Find the reason why a port cannot be used; gRPC only writes it to its own log."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        with socket.socket(found[0][0]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        raise _cannot_listen(host, port, option, error.strerror or str(error)) from error


def _cannot_listen(
    host: str, port: int, option: str, reason: str, host_option: str = "--host"
) -> StartupError:
    return StartupError(
        f"cannot listen on port {port} of {host} ({reason}): stop the program that uses it, or "
        f"choose another with {option} or {host_option}"
    )
