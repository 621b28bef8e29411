"""The Prometheus metrics of a service."""

from barkserve.serving.metrics import Metrics


def test_streams_metric_is_zero_before_the_first_stream() -> None:
    registry = Metrics("coarse").registry
    assert registry.get_sample_value("barkserve_streams", {"stage": "coarse"}) == 0.0
