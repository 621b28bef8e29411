"""The observer, with loads that the test sets."""

from dataclasses import dataclass, field
from typing import cast

from barkserve.autoscaler.decision import Policy
from barkserve.autoscaler.observer import Observer
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.serving.load import Load


@dataclass
class Reported:
    address: str
    load: Load | None = None
    stale: bool = False


@dataclass
class Replicas:
    replicas: list[Reported] = field(default_factory=list)
    checked_at: float = 0.0

    def check_reports(self, now: float) -> None:
        self.checked_at = now


def test_stream_shorter_than_a_report_interval_counts() -> None:
    coarse, now = Reported("a:1", Load(capacity=4)), 0.0
    sets = {"coarse": cast("ReplicaSet", Replicas([coarse]))}
    observer = Observer(sets, Policy(0.7, 4.0), idle_s=10.0, clock=lambda: now)
    assert not observer.scaling("coarse").measured.active
    coarse.load = Load(capacity=4, taken=1)
    observer.tick()
    assert observer.scaling("coarse").decision.wanted == 1
    now = 10.0
    observer.tick()
    assert observer.scaling("coarse").measured.active
    now = 10.1
    observer.tick()
    assert observer.scaling("coarse").decision.wanted == 0


def test_streams_of_a_new_replica_count_as_recent() -> None:
    sets = {"coarse": cast("ReplicaSet", Replicas([Reported("a:1", Load(taken=7))]))}
    assert Observer(sets, Policy(0.7, 4.0), idle_s=10.0).scaling("coarse").measured.active


def observed(*replicas: Reported) -> tuple[Observer, Replicas]:
    found = Replicas(list(replicas))
    sets = {"coarse": cast("ReplicaSet", found)}
    return Observer(sets, Policy(1.0, 4.0), idle_s=10.0, clock=lambda: 0.0), found


def test_hung_replica_adds_neither_capacity_nor_streams() -> None:
    """Its streams have moved to the other replica, where they are counted."""
    hung = Reported("a:1", Load(streams=4, backlog_seconds=40, taken=4), stale=True)
    observer, _ = observed(hung, Reported("b:1", Load(streams=8, taken=8)))
    scaling = observer.scaling("coarse")
    assert (scaling.measured.streams, scaling.measured.backlog_s) == (8, 0)
    assert (scaling.decision.demand, scaling.decision.wanted) == (2 + 1, 3)
    assert scaling.decision.reason.endswith("; 1 hung replicas do no work")
    hung.stale = False
    observer.tick()
    assert observer.scaling("coarse").measured.streams == 12


def test_observer_checks_the_age_of_reports() -> None:
    observer, found = observed()
    observer._clock = lambda: 7.0
    observer.tick()
    assert found.checked_at == 7.0


def test_streams_count_once_when_a_replica_reports_again() -> None:
    now = 0.0
    replica = Reported("a:1", Load(taken=7))
    sets = {"coarse": cast("ReplicaSet", Replicas([replica]))}
    observer = Observer(sets, Policy(1.0, 4.0), idle_s=10.0, clock=lambda: now)
    replica.load = None
    now = 11.0
    observer.tick()
    replica.load = Load(taken=7)
    observer.tick()
    assert not observer.scaling("coarse").measured.active
    replica.load = Load(taken=2)  # a new process
    observer.tick()
    assert observer.scaling("coarse").measured.active
