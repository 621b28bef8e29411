"""The time of a decode step from the arrivals of a stage's outputs."""

import pytest

from benchmarks.stages.decode_steps import step_ms


def test_step_of_one_prompt() -> None:
    """40 tokens in groups of 4, 1 ms each, after a prompt of 30 ms."""
    outputs = [(0.030 + 0.004 * group, 4) for group in range(1, 11)]
    assert step_ms([outputs], window=0) == pytest.approx(1.0)


def test_step_leaves_out_prompts_of_windows() -> None:
    """Two windows of 60 tokens, 10 at a time, 2 ms each; a prompt of 50 ms before each."""
    outputs = [(0.05 + 0.17 * w + 0.02 * group, 10) for w in range(2) for group in range(1, 7)]
    assert step_ms([outputs], window=60) == pytest.approx(2.0)


def test_step_does_not_depend_on_the_groups() -> None:
    """Bursts of different lengths: what arrives together took its time together."""
    outputs = [(0.010, 10), (0.030, 20), (0.060, 30)]
    assert step_ms([outputs], window=60) == pytest.approx(1.0)


def test_step_is_the_median_of_streams() -> None:
    streams = [[(0.1, 10), (0.1 + 0.01 * took, 20)] for took in (1, 2, 9)]
    assert step_ms(streams, window=0) == pytest.approx(1.0)


def test_step_of_single_outputs_is_unknown() -> None:
    assert step_ms([[(0.1, 60), (0.2, 60)]], window=60) is None
    assert step_ms([[]], window=0) is None
