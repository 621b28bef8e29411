"""The choice of a replica."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.orchestrator.stages.load_balancing import choose, pressure
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load

NOW = 100.0
IDLE = Load(capacity=64, slots=16, slots_free=16)


def replica(address: str, load: Load | None = IDLE, draining: bool = False) -> Replica:
    made = Replica(Endpoint(address, draining), Dialer(), "")
    made.load = load
    return made


def first_two(replicas: Sequence[Replica], count: int) -> list[Replica]:
    return list(replicas[:count])


def chosen(*replicas: Replica, tried: frozenset[str] = frozenset()) -> str | None:
    found = choose(replicas, tried, NOW, first_two)
    return None if found is None else found.address


@pytest.mark.parametrize(
    "busier",
    [
        Load(streams=1, capacity=64, slots=16, slots_free=15),
        Load(streams=0, capacity=64, slots=16, slots_free=16, queue=1),
        Load(streams=0, capacity=64, slots=16, slots_free=16, backlog_seconds=0.5),
    ],
)
def test_choose_prefers_lower_pressure(busier: Load) -> None:
    assert chosen(replica("a:1", busier), replica("b:1")) == "b:1"
    assert chosen(replica("b:1"), replica("a:1", busier)) == "b:1"


def test_choose_compares_two_samples() -> None:
    busy = Load(streams=9, capacity=64, slots=16, slots_free=7)
    assert chosen(replica("a:1", busy), replica("b:1", busy), replica("c:1")) == "a:1"


def test_choose_counts_streams_since_the_last_report() -> None:
    a, b = replica("a:1"), replica("b:1")
    a.unreported_streams = 1
    assert chosen(a, b) == "b:1"
    b.unreported_streams = 2
    assert chosen(a, b) == "a:1"


def test_choose_avoids_replicas_without_room() -> None:
    full = replica("a:1", Load(streams=64, capacity=64, slots=16, slots_free=16))
    assert pressure(full) == 0
    queueing = replica("b:1", Load(streams=20, capacity=64, slots=16, slots_free=0, queue=4))
    assert chosen(full, queueing) == "b:1"
    assert chosen(full) == "a:1"


def test_choose_avoids_offloaded_until_others_half_full() -> None:
    offloaded = replica("a:1", replace(IDLE, offloaded=1))
    lightly_loaded = replica("b:1", replace(IDLE, streams=7, slots_free=9))
    half_full = replica("b:1", replace(IDLE, streams=8, slots_free=8))
    assert chosen(offloaded, lightly_loaded) == "b:1"
    assert chosen(offloaded, half_full) == "a:1"
    assert chosen(offloaded) == "a:1"


def test_choose_ignores_draining_replicas() -> None:
    by_resolver = replica("a:1", draining=True)
    by_load_report = replica("b:1", Load(capacity=64, slots=16, slots_free=16, draining=1))
    assert chosen(by_resolver, by_load_report) is None
    assert chosen(by_resolver, by_load_report, replica("c:1")) == "c:1"


def test_choose_returns_a_failed_replica_if_it_is_alone() -> None:
    failed = replica("a:1", None)
    failed.failures, failed.avoided_until = 3, NOW + 5
    assert chosen(failed, tried=frozenset({"a:1"})) == "a:1"


def test_choose_ranks_tried_then_avoided_replicas_last() -> None:
    avoided, tried = replica("a:1"), replica("b:1")
    avoided.avoided_until = NOW + 1
    failed = frozenset({"b:1"})
    assert chosen(tried, avoided, replica("c:1"), tried=failed) == "c:1"
    assert chosen(tried, avoided, tried=failed) == "a:1"


def test_choose_returns_no_hung_or_unreachable_replica() -> None:
    hung, down, tried = replica("a:1"), replica("b:1", None), replica("c:1")
    hung.stale = True
    down.unreachable = "connection refused"
    tried.avoided_until = NOW + 1
    assert chosen(hung, down, tried, tried=frozenset({"c:1"})) == "c:1"
    assert chosen(hung, down) is None


def test_choose_uses_replicas_without_a_load_report() -> None:
    assert chosen(replica("a:1", Load())) == "a:1"
    assert chosen(replica("a:1", None)) == "a:1"
