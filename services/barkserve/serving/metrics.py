"""What a service tells Prometheus. One registry a service; nothing global."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from barkserve.errors import StartupError

_FIRST_OUTPUT_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


class Metrics:
    """The instruments of one service.

    Args:
        stage: the service's name, the label `stage` of everything below.
    """

    def __init__(self, stage: str) -> None:
        self.registry = CollectorRegistry()
        self._stage = stage
        self._requests = Counter(
            "barkserve_requests", "RPCs ended, by outcome (a gRPC status code's name)",
            ["stage", "outcome"], registry=self.registry,
        )  # fmt: skip
        self._first_output = Histogram(
            "barkserve_first_output_seconds", "From an RPC's start to its first response",
            ["stage"], buckets=_FIRST_OUTPUT_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._active = Gauge(
            "barkserve_streams", "RPCs in progress", ["stage"], registry=self.registry
        )
        self._active.labels(stage)  # 0, not absent: who scales by it must see the idle ones too
        self._outputs = Counter(
            "barkserve_outputs",
            "Semantic tokens, coarse codes, fine frames, codec or orchestrator samples made",
            ["stage"], registry=self.registry,
        )  # fmt: skip

    def produced(self, count: int) -> None:
        """Count tokens, codes, frames or samples."""
        self._outputs.labels(self._stage).inc(count)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Report a number that is read when Prometheus asks, for instance slots_free."""
        gauge = Gauge(f"barkserve_{name}", description, ["stage"], registry=self.registry)
        gauge.labels(self._stage).set_function(read)

    def begin(self) -> "RpcMetrics":
        """Account for one RPC."""
        self._active.labels(self._stage).inc()
        return RpcMetrics(self)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer scrapes at http://host:port/metrics; returns what stops it. Port 0 means not at
        all.
        """
        if port == 0:
            return lambda: None
        try:
            server, thread = start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise StartupError(
                f"the metrics port {port} cannot be used ({error.strerror}); "
                "choose another with --metrics-port"
            ) from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def first_output(self, seconds: float) -> None:
        """An RPC's first response is about to leave."""
        self._first_output.labels(self._stage).observe(seconds)

    def ended(self, outcome: str) -> None:
        """An RPC has ended."""
        self._active.labels(self._stage).dec()
        self._requests.labels(self._stage, outcome).inc()


class RpcMetrics:
    """One RPC's share of the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started = time.perf_counter()
        self._silent = True

    def output(self) -> None:
        """A response is about to leave."""
        if self._silent:
            self._silent = False
            self._metrics.first_output(time.perf_counter() - self._started)

    def end(self, outcome: str) -> None:
        """The RPC has ended with the gRPC status of that name."""
        self._metrics.ended(outcome)
