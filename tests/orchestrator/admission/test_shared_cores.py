"""Ten times the load on stages that share cores: accepted streams play without underruns.

The stages cost more the more streams run, and other programs take cores away. Time is simulated.
"""

from collections.abc import Callable

import pytest

from barkserve.orchestrator.admission import admission
from tests.orchestrator.admission.shared_cores import SharedCores


def two_cores(now: float) -> float:
    return 2.0


def few_cores(now: float) -> float:
    return 1.5


def changing_cores(now: float) -> float:
    """Another program uses most of a core, every other 15 s."""
    return 1.2 if int(now / 15) % 2 else 2.0


def many_cores(now: float) -> float:
    return 8.0


@pytest.mark.parametrize("cores", [two_cores, few_cores, changing_cores, many_cores])
async def test_accepted_streams_play_clean_on_shared_cores(
    cores: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SharedCores(cores)
    monkeypatch.setattr(admission, "_now", lambda: machine.now)
    await machine.speak(clients=3, seconds=10)
    normal = await machine.speak(clients=3, seconds=20)
    overload = await machine.speak(clients=30, seconds=20)
    assert len(normal.clean) == len(normal.accepted)
    assert len(overload.clean) == len(overload.accepted)
    assert overload.refused > 10
    assert overload.goodput > 0.8 * normal.goodput


async def test_burst_after_a_single_stream_plays_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single stream has the cores for itself: it does not show what several cost."""
    machine = SharedCores(few_cores, assumed_streams=1)
    monkeypatch.setattr(admission, "_now", lambda: machine.now)
    await machine.speak(clients=1, seconds=10)
    burst = await machine.speak(clients=20, seconds=20)
    assert len(burst.clean) == len(burst.accepted)
    assert max(each.underrun_s for each in burst.accepted) < 0.1
    assert burst.goodput > 2.5
