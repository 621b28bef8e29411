"""Readiness with stages that the test controls."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.readiness import StageReadiness


@dataclass
class Stage:
    """What readiness reads of a pool."""

    stage: str = "coarse"
    resolved: bool = True
    replicas: list[SimpleNamespace] = field(default_factory=list)


def replica(**changes: object) -> SimpleNamespace:
    state = {"draining": False, "stale": False, "unreachable": "", "silent": False}
    return SimpleNamespace(**state | changes)


def obstacle(stage: Stage) -> str:
    return StageReadiness([cast(StagePool, stage)], 0.0).obstacle()


def test_stage_with_a_reporting_replica_is_ready() -> None:
    assert not obstacle(Stage(replicas=[replica(stale=True), replica()]))


def test_unusable_replicas_are_an_obstacle() -> None:
    for state in ("draining", "stale", "unreachable", "silent"):
        assert "coarse" in obstacle(Stage(replicas=[replica(**{state: True})]))


def test_stage_scaled_to_zero_is_ready() -> None:
    assert not obstacle(Stage())


def test_unanswered_discovery_is_an_obstacle() -> None:
    assert "coarse" in obstacle(Stage(resolved=False))


def test_lost_stage_counts_after_the_grace_period() -> None:
    now = 0.0
    stage = Stage(replicas=[replica()])
    readiness = StageReadiness([cast(StagePool, stage)], 60.0, lambda: now)
    assert not readiness.obstacle()
    stage.replicas = [replica(silent=True)]
    now = 60.0
    assert not readiness.obstacle()
    now = 61.0
    assert readiness.obstacle()
    stage.replicas = [replica()]
    assert not readiness.obstacle()
