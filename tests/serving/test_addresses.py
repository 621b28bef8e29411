"""A service that listens on [::] serves IPv4 and IPv6."""

import socket
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from barkserve.serving.health import health_check
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import listening_socket
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port, service_process

LOOPBACK = ("127.0.0.1", "::1")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


async def test_service_answers_on_both_address_families(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with service_process(
        "codec", checkpoint_of(TINY), "--host=[::]", "--insecure"
    ) as service:
        port = service.address.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
                health = await health_check(channel)(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("host", LOOPBACK)
def test_metrics_are_served_on_both_address_families(host: str) -> None:
    port = free_port()
    stop = Metrics("coarse").serve("[::]", port)
    connection = HTTPConnection(host, port, timeout=30)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 200
    connection.close()
    stop()


@pytest.mark.parametrize("host", LOOPBACK)
def test_http_listens_on_both_address_families(host: str) -> None:
    with listening_socket("[::]", 0) as bound:
        port = bound.getsockname()[1]
        with socket.create_connection((host, port), timeout=30) as connection:
            accepted, _ = bound.accept()
            accepted.sendall(b"x")
            assert connection.recv(1) == b"x"
            accepted.close()
