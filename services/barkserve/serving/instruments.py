"""What counts and measures in one service: counters, histograms, and values read at each scrape."""

from collections.abc import Callable, Iterator

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from barkserve.serving.metric_catalog import MetricSpec
from barkserve.tracing import current_exemplar

ReadValue = Callable[[], float]


class Counter:
    """A counter. One without labels is 0 before the first event, instead of absent."""

    def __init__(self, spec: MetricSpec, stage: str, registry: CollectorRegistry) -> None:
        labels = ("stage", *spec.labels)
        self._metric = prometheus_client.Counter(
            spec.name, spec.description, labels, registry=registry
        )
        self._stage = stage
        if not spec.labels:
            self._metric.labels(stage)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count.

        Args:
            labels: the values of the labels, in the order of the catalog.
            amount: how much.
        """
        self._metric.labels(self._stage, *labels).inc(amount)


class Histogram:
    """A histogram."""

    def __init__(self, spec: MetricSpec, stage: str, registry: CollectorRegistry) -> None:
        labels = ("stage", *spec.labels)
        self._metric = prometheus_client.Histogram(
            spec.name, spec.description, labels, buckets=spec.buckets, registry=registry
        )
        self._stage = stage
        if not spec.labels:
            self._metric.labels(stage)

    def observe(self, value: float, *labels: str) -> None:
        """Add a value, with the current trace as its exemplar.

        Args:
            value: in the unit of the metric's name.
            labels: the values of the labels, in the order of the catalog.
        """
        self._metric.labels(self._stage, *labels).observe(value, current_exemplar())


class WatchedValues(Collector):
    """Values that are read at each scrape, in the thread of the metrics endpoint.

    Args:
        stage: the name of the service.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._watched: dict[MetricSpec, list[tuple[list[str], ReadValue]]] = {}

    def add(self, spec: MetricSpec, read: ReadValue, labels: list[str]) -> None:
        """Add a series.

        Args:
            spec: its metric.
            read: returns the value.
            labels: the values of the labels, in the order of the catalog.
        """
        self._watched.setdefault(spec, []).append((labels, read))

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Read all values."""
        for spec, series in list(self._watched.items()):
            make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = make(spec.name, spec.description, labels=["stage", *spec.labels])
            for labels, read in series:
                family.add_metric([self._stage, *labels], float(read()))
            yield family
