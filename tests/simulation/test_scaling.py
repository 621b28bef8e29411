"""Scaling and faults in simulated clusters."""

import pytest

from barkserve.constants import STAGES
from barkserve.fine.windows import ChunkPlan
from barkserve.simulation.capacity import busy_share, chunks_of, streams_per_replica
from barkserve.simulation.cluster import Scaling, zone_lost
from barkserve.simulation.hpa import HorizontalPodAutoscaler, ScalingBehavior
from barkserve.simulation.scenario import Scenario, simulate_scenario
from barkserve.simulation.sizing import replicas_for
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import ALL_LONG, Utterances, arrivals, burst, constant, diurnal
from fixtures.profiles import fast_profile


def hpa(**changes: float) -> HorizontalPodAutoscaler:
    return HorizontalPodAutoscaler(ScalingBehavior(**changes), least=1, most=100)


def test_hpa_keeps_replicas_within_the_tolerance() -> None:
    assert hpa().replicas(0, 4.3, 4, active=True) == 4


def test_hpa_doubles_in_each_period_at_most() -> None:
    scaler = hpa()
    assert scaler.replicas(0, 40, 4, active=True) == 8
    assert scaler.replicas(10, 40, 8, active=True) == 8
    assert scaler.replicas(15, 40, 8, active=True) == 16


def test_hpa_scales_down_after_the_stabilization() -> None:
    scaler = hpa(stabilization_s=100.0)
    assert scaler.replicas(0, 4, 4, active=True) == 4
    assert scaler.replicas(50, 1, 4, active=True) == 4
    assert scaler.replicas(101, 1, 4, active=True) == 3  # one pod in each period
    assert scaler.replicas(110, 1, 3, active=True) == 3
    assert scaler.replicas(162, 1, 3, active=True) == 2


def test_capacity_is_the_share_of_the_busy_time() -> None:
    profile = fast_profile(slots=64)
    capacity = streams_per_replica(profile, 0.5, 3.0)
    for stage in ("semantic", "coarse", "fine", "codec"):
        assert busy_share(profile, stage, capacity[stage], 3.0) <= 0.5
    # a coarse stream: 2.5 prompts of 4 ms, and 150 steps that all rows share
    rows = capacity["coarse"]
    step_s = 0.001 + 0.001 * (rows - 1) / 63
    assert rows * 2.5 * 0.004 + 150 * step_s == pytest.approx(0.5, abs=0.02)


def test_capacity_is_at_most_the_slots() -> None:
    assert streams_per_replica(fast_profile(slots=2), 1.0, 3.0)["semantic"] == 2


def test_chunks_are_those_of_the_plan() -> None:
    assert chunks_of(ChunkPlan(10, 2.0, 40, 5), 15) == (1, 15)
    assert chunks_of(ChunkPlan(10, 2.0, 40, 5), 16) == (2, 16)


def test_arrivals_follow_the_rate() -> None:
    times = list(arrivals(burst(2.0, 10.0, 100.0, 30.0, 100.0), 20.0, 400.0, 1))
    before = sum(at < 100 for at in times)
    during = sum(130 <= at < 230 for at in times)
    assert before == pytest.approx(200, rel=0.2)
    assert during == pytest.approx(2000, rel=0.1)


def test_diurnal_rate_is_lowest_at_midnight() -> None:
    rate = diurnal(10.0)
    assert (rate(0), rate(43_200), rate(86_400)) == pytest.approx((2.0, 10.0, 2.0))


def test_zone_lost_costs_no_stream() -> None:
    """Streams of a lost zone continue on other replicas, and the autoscaler adds replicas."""
    profile = fast_profile()
    utterances = Utterances(profile.audio_s, ALL_LONG, 0)
    scenario = Scenario("zone", constant(2.0), 2.0, 60.0, [(20.0, zone_lost(0))])
    scaling = Scaling(startup_s=5.0)
    deployment = Deployment(dict.fromkeys(STAGES, 2), zones=2)
    outcome = simulate_scenario(profile, deployment, scaling, scenario, utterances)
    assert outcome.streams > 80
    assert outcome.failed == 0
    assert outcome.ttfa_p50_s < 0.5


def test_burst_makes_the_cluster_grow() -> None:
    profile = fast_profile()
    utterances = Utterances(profile.audio_s, ALL_LONG, 0)
    scenario = Scenario("burst", burst(1.0, 10.0, 10.0, 5.0, 30.0), 10.0, 60.0)
    deployment = Deployment(dict.fromkeys(STAGES, 1), max_streams=1000)
    outcome = simulate_scenario(profile, deployment, Scaling(startup_s=5.0), scenario, utterances)
    assert outcome.samples[0].pods["coarse"] == 1
    assert max(each.pods["coarse"] for each in outcome.samples) >= 2
    assert outcome.oracle_replica_hours > 0
    assert 0 < outcome.refused < outcome.streams / 2


def test_replicas_survive_a_lost_zone() -> None:
    one = replicas_for(100, dict.fromkeys(STAGES, 10.0), 1)
    three = replicas_for(100, dict.fromkeys(STAGES, 10.0), 3)
    assert set(one.values()) == {10}
    assert set(three.values()) == {15}
