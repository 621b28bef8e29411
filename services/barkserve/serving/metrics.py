"""The Prometheus metrics of a service. Each service has its own registry; nothing is global."""

import platform
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, ProcessCollector

from barkclient import __version__
from barkserve.errors import BarkserveError, Overloaded, StartupError
from barkserve.serving.instruments import Counter, Histogram, ReadValue, WatchedValues
from barkserve.serving.metric_catalog import CATALOG
from barkserve.serving.metrics_server import MetricsServer


class Metrics:
    """The metrics of one service. Their names, types and labels are those of the catalog.

    Args:
        stage: the name of the service, which is the label `stage` of each metric.
        watchdog_trips: how often the watchdog has ended processes of this service before.
    """

    def __init__(self, stage: str, watchdog_trips: int = 0) -> None:
        self.registry = CollectorRegistry()
        self._stage = stage
        self._watched = WatchedValues(stage)
        self.registry.register(self._watched)
        ProcessCollector(registry=self.registry)
        self._loop_lag = self.histogram("barkserve_event_loop_lag_seconds")
        self._longest_loop_lag_s = self._longest_loop_cpu_s = 0.0
        self._trips = self.counter("barkserve_watchdog_trips")
        self._trips.add(amount=watchdog_trips)
        self._requests = self.counter("barkserve_requests")
        self._refusals = self.counter("barkserve_admission_refusals")
        self._first_output = self.histogram("barkserve_first_output_seconds")
        self._outputs = self.counter("barkserve_outputs")
        self._running = 0
        self.watch("barkserve_streams", lambda: self._running)  # 0, not absent: for autoscalers
        self.watch("barkserve_event_loop_longest_lag_seconds", lambda: self._longest_loop_lag_s)
        self.watch("barkserve_event_loop_longest_cpu_seconds", lambda: self._longest_loop_cpu_s)
        self.watch("barkserve_build_info", lambda: 1, __version__, platform.python_version())

    def counter(self, name: str) -> Counter:
        """Add a counter of the catalog."""
        return Counter(CATALOG[name], self._stage, self.registry)

    def histogram(self, name: str) -> Histogram:
        """Add a histogram of the catalog."""
        return Histogram(CATALOG[name], self._stage, self.registry)

    def watch(self, name: str, read: ReadValue, *labels: str) -> None:
        """Add a gauge or a counter of the catalog whose value is read at each scrape.

        Args:
            name: its name.
            read: returns the value; called from the thread of the metrics endpoint.
            labels: the values of its labels, in the order of the catalog.
        """
        self._watched.add(CATALOG[name], read, list(labels))

    def watch_certificate(self, read_expiry: ReadValue) -> None:
        """Add the gauge of a certificate's end of validity, in seconds since 1970."""
        self.watch("barkserve_tls_certificate_expiry_timestamp_seconds", read_expiry)

    def begin(self) -> "RpcMetrics":
        """Begin to count one RPC."""
        self._running += 1
        return RpcMetrics(self)

    def first_output(self, seconds: float) -> None:
        """Record the time from the start of an RPC to its first response."""
        self._first_output.observe(seconds)

    def produced(self, count: int) -> None:
        """Count tokens, codes, frames or samples."""
        self._outputs.add(amount=count)

    def ended(self, outcome: str) -> None:
        """Count an RPC that ended with the gRPC status of this name."""
        self._running -= 1
        self._requests.add(outcome)

    def refused(self, error: BarkserveError) -> None:
        """Count an RPC or a context that has no room; errors of other kinds do not count."""
        if isinstance(error, Overloaded):
            self._refusals.add(error.reason)

    def loop_turned(self, late_s: float, cpu_s: float) -> None:
        """Record a turn of the event loop.

        Args:
            late_s: seconds after the time that it was due.
            cpu_s: CPU time of the loop's thread since the last turn, in seconds.
        """
        self._loop_lag.observe(late_s)
        self._longest_loop_lag_s = max(self._longest_loop_lag_s, late_s)
        self._longest_loop_cpu_s = max(self._longest_loop_cpu_s, cpu_s)

    def watchdog_tripped(self) -> None:
        """Count a trip of the watchdog. This process ends soon."""
        self._trips.add()

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
