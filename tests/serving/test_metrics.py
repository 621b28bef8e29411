"""What Prometheus is told."""

from barkserve.serving.metrics import Metrics


def test_streams_are_zero_before_the_first_and_not_absent() -> None:
    registry = Metrics("coarse").registry
    assert registry.get_sample_value("barkserve_streams", {"stage": "coarse"}) == 0.0
