"""Checks of the ports that `barkserve up` takes: free, or used by barkserve itself."""

import asyncio
import errno
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2

from barkserve.config.doctor import DoctorOptions
from barkserve.constants import STAGES
from barkserve.doctor.finding import Finding, ok, problem
from barkserve.errors import StartupError
from barkserve.serving.grpc_options import NO_PROXY
from barkserve.serving.health import health_check
from barkserve.serving.ports import LOOPBACK_HOST, reachable_host
from barkserve.serving.tls import TlsFiles

_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class _Port:
    """A port that `barkserve up` would take.

    Attributes:
        host: the address that is listened on.
        number: the port.
        option: the option that it comes from.
        is_ours: finds out whether the program that listens there is barkserve.
    """

    host: str
    number: int
    option: str
    is_ours: Callable[["_Port", DoctorOptions], Awaitable[bool]]

    @property
    def address(self) -> str:
        """host:port at which this machine reaches it."""
        return f"{reachable_host(self.host)}:{self.number}"


async def check_ports(options: DoctorOptions) -> AsyncIterator[Finding]:
    """Check the ports of gRPC, HTTP, Wyoming and the metrics."""
    ports = list(_ports(options))
    numbers = [port.number for port in ports]
    for port in ports:
        if numbers.count(port.number) > 1:
            text = f"{port.option} takes port {port.number}, and so does another option"
            yield problem("ports", text, f"choose another with {port.option}")
    used = [port for port in ports if not _is_free(port)]
    ours = await asyncio.gather(*(port.is_ours(port, options) for port in used))
    for port, is_ours in zip(used, ours, strict=True):
        if not is_ours:
            yield problem(
                "ports",
                f"another program uses port {port.number} of {port.host}, or the address is not "
                "one of this machine",
                f"stop it, or choose another with {port.option}",
            )
    if all(ours) and len(set(numbers)) == len(numbers):
        state = f"barkserve answers on {sum(ours)} of them" if used else "all are free"
        yield ok("ports", f"{_ranges(numbers)}: {state}" if numbers else "none is taken")


def _ports(options: DoctorOptions) -> Iterator[_Port]:
    if options.port:
        yield _Port(options.host, options.port, "--port", _is_our_grpc)
        for number in range(options.port + 1, options.port + 1 + len(STAGES)):
            yield _Port(LOOPBACK_HOST, number, "--port", _is_our_grpc)
    if options.http_port:
        yield _Port(options.host, options.http_port, "--http-port", _is_our_http)
        if options.wyoming_port:
            host = options.wyoming_host
            yield _Port(host, options.wyoming_port, "--wyoming-port", _is_our_wyoming)
    if options.metrics_port:
        for number in range(options.metrics_port, options.metrics_port + 2 + len(STAGES)):
            yield _Port(LOOPBACK_HOST, number, "--metrics-port", _is_our_metrics)


def _ranges(numbers: list[int]) -> str:
    """Write numbers in order, neighbors as a range: "8080, 50051-50055"."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def _is_free(port: _Port) -> bool:
    try:
        found = socket.getaddrinfo(port.host.strip("[]"), port.number, type=socket.SOCK_STREAM)
        with socket.socket(found[0][0]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        return error.errno == errno.EAFNOSUPPORT
    return True


async def _is_our_grpc(port: _Port, options: DoctorOptions) -> bool:
    """Ask for the health of the process, which each service reports."""
    channel = _channel(port, options)
    async with channel:
        try:
            await health_check(channel)(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return False
    return True


def _channel(port: _Port, options: DoctorOptions) -> grpc.aio.Channel:
    public = port.number == options.port
    if public and options.tls_cert and options.tls_key:
        try:
            return TlsFiles(options.tls_cert, options.tls_key).own_channel(port.address)
        except StartupError:
            pass  # `check_certificates` reports it
    return grpc.aio.insecure_channel(port.address, options=(NO_PROXY,))


async def _is_our_http(port: _Port, options: DoctorOptions) -> bool:
    status, _ = await asyncio.to_thread(_get, port, "/readyz", bool(options.tls_cert))
    return status in (200, 503)


async def _is_our_metrics(port: _Port, options: DoctorOptions) -> bool:
    _, body = await asyncio.to_thread(_get, port, "/metrics", False)
    return b"barkserve_" in body


async def _is_our_wyoming(port: _Port, options: DoctorOptions) -> bool:
    """Ask what the server offers: the protocol is a line of JSON each way."""
    host = reachable_host(port.host)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port.number)
            writer.write(b'{"type": "describe"}\n')
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    return b'"info"' in line


def _get(port: _Port, path: str, tls: bool) -> tuple[int, bytes]:
    """Get a page of this machine; (0, b"") if no HTTP server answers."""
    host, _, number = port.address.rpartition(":")
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            host.strip("[]"), int(number), timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host.strip("[]"), int(number), timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
