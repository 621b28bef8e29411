"""The age of load reports, measured while this process makes progress."""

import pytest

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.discovery.report_clock import MAX_CHECK_GAP_S, STALE_AFTER_S, ReportClock
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load

CHECK_S = 0.25


class FakeTime:
    """A replica whose reports are checked on a fake clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.clock = ReportClock(self.now)
        self.replica = Replica(Endpoint("a:1"), Dialer(), "")

    def report(self) -> None:
        self.replica.note_report(Load(), self.now)

    def run(self, seconds: float, step_s: float = CHECK_S) -> None:
        """Check regularly for some seconds."""
        for _ in range(round(seconds / step_s)):
            self.now += step_s
            self.clock.check(self.now)
            self.replica.check_reports(self.clock)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def test_replica_is_stale_after_two_seconds_without_report(time: FakeTime) -> None:
    time.report()
    time.run(STALE_AFTER_S)
    assert not time.replica.stale
    time.run(CHECK_S)
    assert time.replica.stale


def test_replica_is_not_stale_while_it_reports(time: FakeTime) -> None:
    for _ in range(20):
        time.report()
        time.run(STALE_AFTER_S - CHECK_S)
        assert not time.replica.stale


def test_replica_is_fresh_again_with_the_next_report(time: FakeTime) -> None:
    time.report()
    time.run(STALE_AFTER_S + CHECK_S)
    assert time.replica.stale
    time.report()
    assert not time.replica.stale
    time.run(STALE_AFTER_S)
    assert not time.replica.stale
    time.run(CHECK_S)
    assert time.replica.stale


def test_replica_without_any_report_is_never_stale(time: FakeTime) -> None:
    time.run(10 * STALE_AFTER_S)
    assert not time.replica.stale


def test_replica_that_cannot_be_reached_is_not_stale(time: FakeTime) -> None:
    time.report()
    time.replica.note_unreachable("connection reset", time.now)
    time.run(10 * STALE_AFTER_S)
    assert not time.replica.stale


def test_hung_replica_stays_stale_when_its_connection_breaks(time: FakeTime) -> None:
    time.report()
    time.run(STALE_AFTER_S + CHECK_S)
    time.replica.note_unreachable("connection reset", time.now)
    time.run(STALE_AFTER_S)
    assert time.replica.stale


def test_retired_replica_does_not_become_stale(time: FakeTime) -> None:
    """It is not asked for reports any more, but its streams run on."""
    time.report()
    time.replica.retire()
    time.run(10 * STALE_AFTER_S)
    assert not time.replica.stale


@pytest.mark.parametrize("stall_s", [1.5 * MAX_CHECK_GAP_S, 100.0])
def test_report_clock_restarts_after_a_stall_of_this_process(
    time: FakeTime, stall_s: float
) -> None:
    time.report()
    time.run(STALE_AFTER_S - CHECK_S)
    time.run(stall_s, step_s=stall_s)
    assert not time.replica.stale
    time.run(STALE_AFTER_S)
    assert not time.replica.stale
    time.run(CHECK_S)
    assert time.replica.stale


def test_starved_process_does_not_call_a_replica_stale(time: FakeTime) -> None:
    time.report()
    time.run(60.0, step_s=2 * MAX_CHECK_GAP_S)
    assert not time.replica.stale
