"""The HTTP endpoint of a service's metrics. Silent connections neither block it nor fill it."""

import logging
import socket
import threading
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 32
_READ_TIMEOUT_S = 5.0


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves one request per connection, each in a thread.

    A connection above the limit closes the oldest one. A client that sends its request at once is
    therefore answered, however many others stay silent.

    Args:
        host: the address to listen on.
        port: the port.
        registry: the metrics.

    Raises:
        OSError: the address or the port cannot be used.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        self._both_families = family == socket.AF_INET6
        self._open: dict[socket.socket, None] = {}  # oldest first
        self._lock = threading.Lock()
        super().__init__((str(address[0]), port), _Handler)
        self.set_app(make_wsgi_app(registry))
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)

    def server_bind(self) -> None:
        """Bind; [::] serves IPv4 too, whatever the system's default is."""
        if self._both_families:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close the port."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread; close the oldest one if there are too many."""
        with self._lock:
            self._open[request] = None
            too_many = list(self._open)[:-_MAX_CONNECTIONS]
            for oldest in too_many:
                del self._open[oldest]
        for oldest in too_many:
            with suppress(OSError):  # its thread has just closed it
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that was closed early or sent no request in time."""
        _log.debug("a connection to the metrics port failed", exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = _READ_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""
