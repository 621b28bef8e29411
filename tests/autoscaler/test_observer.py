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


@dataclass
class Replicas:
    replicas: list[Reported] = field(default_factory=list)


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
