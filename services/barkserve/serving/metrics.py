"""The Prometheus metrics of a service. Each service has its own registry; nothing is global."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from barkserve.errors import StartupError
from barkserve.serving.metrics_server import MetricsServer

_LOOP_LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_FIRST_OUTPUT_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


class Metrics:
    """The metrics of one service.

    Args:
        stage: the name of the service, which is the label `stage` of each metric.
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
        self._active.labels(stage)  # 0 instead of absent: autoscalers need to see idle services
        self._outputs = Counter(
            "barkserve_outputs",
            "Semantic tokens, coarse codes, fine frames, codec or orchestrator samples made",
            ["stage"], registry=self.registry,
        )  # fmt: skip

        self._loop_lag = Histogram(
            "barkserve_event_loop_lag_seconds", "Delays of the event loop, sampled 50 times/s",
            ["stage"], buckets=_LOOP_LAG_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._longest_loop_lag_s = 0.0
        self.watch(
            "event_loop_longest_lag_seconds", "Longest delay of the event loop since the start",
            lambda: self._longest_loop_lag_s,
        )  # fmt: skip
        self._longest_loop_cpu_s = 0.0
        self.watch(
            "event_loop_longest_cpu_seconds",
            "Most CPU time that the event loop used in a row since the start; a longest lag above "
            "it means that other threads or processes kept the CPU",
            lambda: self._longest_loop_cpu_s,
        )  # fmt: skip

    def loop_turned(self, late_s: float, cpu_s: float) -> None:
        """Record a turn of the event loop.

        Args:
            late_s: seconds after the time that it was due.
            cpu_s: CPU time of the loop's thread since the last turn, in seconds.
        """
        self._loop_lag.labels(self._stage).observe(late_s)
        self._longest_loop_lag_s = max(self._longest_loop_lag_s, late_s)
        self._longest_loop_cpu_s = max(self._longest_loop_cpu_s, cpu_s)

    def produced(self, count: int) -> None:
        """Count tokens, codes, frames or samples."""
        self._outputs.labels(self._stage).inc(count)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read at each scrape.

        Args:
            name: the name after "barkserve_", such as "slots_free".
            description: the help text.
            read: returns the value; called from the thread of the metrics endpoint.
        """
        gauge = Gauge(f"barkserve_{name}", description, ["stage"], registry=self.registry)
        gauge.labels(self._stage).set_function(read)

    def watch_certificate(self, read_expiry: Callable[[], float]) -> None:
        """Add the gauge of a certificate's end of validity, in seconds since 1970."""
        self.watch(
            "tls_certificate_expiry_timestamp_seconds",
            "When the TLS certificate in use expires, in seconds since 1970",
            read_expiry,
        )

    def begin(self) -> "RpcMetrics":
        """Begin to count one RPC."""
        self._active.labels(self._stage).inc()
        return RpcMetrics(self)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Serve http://host:port/metrics.

        Args:
            host: the address to listen on.
            port: the port; 0 serves nothing.

        Returns:
            A function that stops the endpoint.

        Raises:
            StartupError: the port cannot be used.
        """
        if port == 0:
            return lambda: None
        try:
            server = MetricsServer(host, port, self.registry)
        except OSError as error:
            raise StartupError(
                f"cannot listen on metrics port {port} ({error.strerror}): choose another with "
                "--metrics-port"
            ) from error
        server.start()
        return server.stop

    def first_output(self, seconds: float) -> None:
        """Record the time from the start of an RPC to its first response."""
        self._first_output.labels(self._stage).observe(seconds)

    def ended(self, outcome: str) -> None:
        """Count an RPC that ended with the gRPC status of this name."""
        self._active.labels(self._stage).dec()
        self._requests.labels(self._stage, outcome).inc()


class RpcMetrics:
    """The metrics of one RPC."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started = time.perf_counter()
        self._has_output = False

    def output(self) -> None:
        """Note that a response is about to be written."""
        if not self._has_output:
            self._has_output = True
            self._metrics.first_output(time.perf_counter() - self._started)

    def end(self, outcome: str) -> None:
        """Note that the RPC has ended with the gRPC status of this name."""
        self._metrics.ended(outcome)
