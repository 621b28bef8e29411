"""Bursts are short for streams that wait for a report, and longer for those with audio to play."""

from collections.abc import Sequence

import pytest

from barkserve.engine.burst_length import MAX_STEPS, burst_length
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request
from tests.support.fakes import fake_request

NOW = 100.0


def stream(buffered_s: float | None, launched: int = 1, max_tokens: int = 500) -> Request:
    """Make a stream with this much audio to play; None: no output yet."""
    playback = Playback(rate=50.0)
    if buffered_s is not None:
        playback.publish(1, NOW + buffered_s - 1 / 50.0)
    request = fake_request([1], max_tokens, report_every=4, playback=playback)
    request.launched = launched
    return request


@pytest.mark.parametrize(
    ("streams", "step_s", "steps"),
    [
        ([stream(None)], 0.001, 3),  # the prompt drew one of four
        ([stream(0.05, launched=4)], 0.001, 4),
        ([stream(5.0, launched=4)], 0.001, MAX_STEPS),
        ([stream(5.0, launched=5)], 0.001, 7),  # ends with a report
        ([stream(5.0), stream(None, launched=2)], 0.001, 2),
        ([stream(0.2, launched=4)], 0.02, 4),  # five steps would take half of the audio
        ([stream(5.0, launched=498)], 0.001, 2),
        ([stream(None, launched=4), stream(None, launched=7)], 0.001, 1),
    ],
)
def test_burst_length_follows_reports_and_deadlines(
    streams: Sequence[Request], step_s: float, steps: int
) -> None:
    assert burst_length(streams, NOW, step_s) == steps


@pytest.mark.parametrize(("launched", "steps"), [(1, 4), (3, 1), (2, 2), (0, 4)])
def test_burst_length_is_rounded_up_to_a_captured_one(launched: int, steps: int) -> None:
    assert burst_length([stream(None, launched)], NOW, 0.001, (1, 2, 4, 8)) == steps


def test_burst_length_is_at_most_the_longest_captured_one() -> None:
    request = fake_request([1], 500, report_every=10)
    assert burst_length([request], NOW, 0.001, (1, 2, 4, 8)) == 8
