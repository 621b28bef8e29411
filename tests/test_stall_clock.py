"""Time without progress, as an observer counts it that may be stopped itself."""

from itertools import count

from barkserve.stall_clock import StallClock


def checks(clock: StallClock, until: float, progress: int, *, busy: bool = True) -> float:
    """Check every second up to a time; returns the last result."""
    still_s = 0.0
    for now in range(1, round(until) + 1):
        still_s = clock.check(float(now), progress, busy=busy)
    return still_s


def test_clock_counts_the_time_without_progress() -> None:
    assert checks(StallClock(1.0, 0.0), 30.0, progress=0) == 30.0


def test_clock_restarts_with_each_progress() -> None:
    clock, steps = StallClock(1.0, 0.0), count(1)
    assert max(clock.check(now + 0.5, next(steps)) for now in range(30)) == 0.0
    assert clock.check(30.0, 30) == 0.5


def test_clock_does_not_count_idle_time() -> None:
    assert checks(StallClock(1.0, 0.0), 30.0, progress=0, busy=False) == 0.0


def test_clock_counts_two_intervals_of_a_stop() -> None:
    """An hour between two checks: the process was stopped, or the computer was suspended."""
    clock = StallClock(1.0, 0.0)
    assert checks(clock, 3.0, progress=0) == 3.0
    assert clock.check(3603.0, 0) == 5.0
