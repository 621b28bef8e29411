"""The figures of `python -m benchmarks.tracing`."""

import numpy as np
import pytest

from benchmarks.tracing.__main__ import added


def test_added_share_is_the_mean_difference_of_pairs() -> None:
    plain = np.array([2.0, 2.2, 1.8])
    result = added(plain, plain + np.array([0.1, 0.0, 0.2]))
    assert result["cpu_seconds_per_request"] == pytest.approx(2.0)
    assert result["added"] == pytest.approx(0.05)
    assert result["added_95_percent"] == pytest.approx(1.96 * 0.1 / 3**0.5 / 2)
