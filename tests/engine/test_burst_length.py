"""Bursts are short for streams that wait for a report, and longer for those with audio to play."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from barkserve.engine.burst_length import MAX_STEPS, burst_length
from barkserve.engine.playback import Playback
from barkserve.engine.progress import Progress
from tests.support.fakes import fake_request

NOW = 100.0


@dataclass(frozen=True)
class Stream:
    """A stream with this much audio to play; None: no output yet."""

    buffered_s: float | None
    launched: int = 1
    max_tokens: int = 500
    report_every: int = 4


def steps_of(streams: Sequence[Stream], step_s: float, lengths: Sequence[int] | None = None) -> int:
    """Return the length of a burst of some streams."""
    progress, slots = Progress(len(streams)), np.arange(len(streams))
    for slot, stream in enumerate(streams):
        playback = Playback(rate=50.0)
        if stream.buffered_s is not None:
            playback.publish(1, NOW + stream.buffered_s - 1 / 50.0)
        every = stream.report_every
        request = fake_request([1], stream.max_tokens, report_every=every, playback=playback)
        progress.start(request, slot)
        if stream.launched:
            progress.launch_burst(np.array([slot]), stream.launched)
    return burst_length(progress.outlook(slots), NOW, step_s, lengths)


@pytest.mark.parametrize(
    ("streams", "step_s", "steps"),
    [
        ([Stream(None)], 0.001, 3),  # the prompt drew one of four
        ([Stream(0.05, launched=4)], 0.001, 4),
        ([Stream(5.0, launched=4)], 0.001, MAX_STEPS),
        ([Stream(5.0, launched=5)], 0.001, 7),  # ends with a report
        ([Stream(5.0), Stream(None, launched=2)], 0.001, 2),
        ([Stream(0.2, launched=4)], 0.02, 4),  # five steps would take half of the audio
        ([Stream(5.0, launched=498)], 0.001, 2),
        ([Stream(None, launched=4), Stream(None, launched=7)], 0.001, 1),
    ],
)
def test_burst_length_follows_reports_and_deadlines(
    streams: Sequence[Stream], step_s: float, steps: int
) -> None:
    assert steps_of(streams, step_s) == steps


@pytest.mark.parametrize(("launched", "steps"), [(1, 4), (3, 1), (2, 2), (0, 4)])
def test_burst_length_is_rounded_up_to_a_captured_one(launched: int, steps: int) -> None:
    assert steps_of([Stream(None, launched)], 0.001, (1, 2, 4, 8)) == steps


def test_burst_length_is_at_most_the_longest_captured_one() -> None:
    assert steps_of([Stream(None, launched=0, report_every=10)], 0.001, (1, 2, 4, 8)) == 8
