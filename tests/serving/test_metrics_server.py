"""The HTTP endpoint of the metrics, next to connections that send nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from barkserve.serving.metrics import Metrics
from barkserve.serving.metrics_server import _MAX_CONNECTIONS
from fixtures.processes import free_port

SILENT = 900


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a running endpoint."""
    port = free_port()
    stop = Metrics("coarse").serve("127.0.0.1", port)
    yield port
    stop()


def scraped(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.status == 200
    return response.read().decode()


def test_scrape_succeeds_next_to_silent_connections(port: int) -> None:
    before = threading.active_count()
    with ExitStack() as silent:
        for _ in range(SILENT):
            silent.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        assert 'barkserve_streams{stage="coarse"} 0.0' in scraped(port)
        assert threading.active_count() - before <= 2 * _MAX_CONNECTIONS


def test_silent_connections_are_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
        assert silent.recv(1) == b""
