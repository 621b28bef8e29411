"""The number of replicas, computed from measurements."""

import pytest

from barkserve.autoscaler.decision import Decision, Measured, Policy, decide
from barkserve.discovery.stage_cost import StageCost
from barkserve.serving.load import Load

POLICY = Policy(target_utilization=0.5, assumed_streams=4)


def decided(**values: object) -> Decision:
    base = {"streams": 0, "backlog_s": 0.0, "cost_s": 0.1, "slots": 16.0, "active": True}
    return decide(Measured(**(base | values)), POLICY)  # type: ignore[arg-type]


def test_stages_settle_at_the_ratio_of_their_costs() -> None:
    demands = [decided(streams=20, cost_s=cost).demand for cost in (0.1, 0.4, 0.2, 0.05)]
    assert demands == pytest.approx([4, 16, 8, 2])
    assert [decided(streams=20, cost_s=c).wanted for c in (0.1, 0.4, 0.2, 0.05)] == [4, 16, 8, 2]


def test_slots_limit_the_streams_per_replica() -> None:
    assert decided(streams=20, cost_s=0.001, slots=8).demand == pytest.approx(20 / 8)


def test_unmeasured_stage_uses_the_assumption() -> None:
    decision = decided(streams=20, cost_s=0)
    assert decision.demand == pytest.approx(5)
    assert "assumed" in decision.reason


def test_normal_backlog_adds_no_replica() -> None:
    assert decided(streams=2, backlog_s=16) == decided(streams=2, backlog_s=0)
    late = decided(streams=2, backlog_s=36)
    assert late.demand == pytest.approx((2 + 20 / 10) / 5)
    assert "20.0 s of backlog" in late.reason


def test_one_replica_stays_after_recent_streams() -> None:
    assert (decided().demand, decided().wanted) == (0, 1)
    assert (decided(active=False).demand, decided(active=False).wanted) == (0, 0)


def load(streams: float, busy: float, audio: float) -> Load:
    return Load(streams=streams, busy_seconds=busy, audio_seconds=audio)


def test_cost_is_measured_between_two_reports() -> None:
    cost = StageCost()
    cost.observe({"a": load(1, 100, 500), "b": load(1, 3, 3)})
    assert cost.seconds == 0
    cost.observe({"a": load(1, 101, 504), "b": load(1, 4, 7)})
    assert cost.seconds == pytest.approx(2 / 8)


def test_restarted_replica_does_not_lower_the_cost() -> None:
    cost = StageCost()
    cost.observe({"a": load(1, 100, 500)})
    cost.observe({"a": load(1, 1, 1)})
    cost.observe({"a": load(1, 2, 3)})
    assert cost.seconds == pytest.approx(1 / 2)


def test_cost_is_that_of_well_filled_replicas() -> None:
    """On a GPU, eight streams cost hardly more than one."""
    cost = StageCost()
    cost.observe({"a": load(8, 0, 0)})
    cost.observe({"a": load(8, 1, 20)})
    cost.observe({"a": load(1, 1, 20), "b": load(1, 0, 0)})
    cost.observe({"a": load(1, 2, 22), "b": load(1, 1, 2)})
    assert cost.seconds == pytest.approx(1 / 20)


def test_old_measurements_fade() -> None:
    cost, busy, audio = StageCost(), 0.0, 0.0
    cost.observe({"a": load(1, busy, audio)})
    for step in range(2000):
        busy, audio = busy + (0.1 if step < 1000 else 0.4), audio + 1
        cost.observe({"a": load(1, busy, audio)})
    assert cost.seconds == pytest.approx(0.4, abs=0.01)
