"""Stages of one machine share its cores: as many threads as no other busy stage needs."""

import time
from collections.abc import Iterator

import pytest

from barkserve.engine import core_share
from barkserve.engine.core_share import CoreShare, core_share_file
from barkserve.engine.model_thread import ModelThread


class Stage:
    """One stage with a simulated model, whose steps take the given CPU time."""

    def __init__(self, file: str, slot: int, cores: int, clock: "Clock") -> None:
        self.threads = 0
        self.chosen: list[int] = []
        self.share = CoreShare(f"{file}:{slot}", cores, self._set)
        self._clock = clock

    def _set(self, threads: int) -> None:
        self.threads = threads
        self.chosen.append(threads)

    def begin(self) -> None:
        self.share.begin()

    def steps(self, count: int, cpu_s: float) -> None:
        for _ in range(count):
            self._clock.cpu_s += cpu_s / self.threads
            self.share.step_ended()

    def end(self) -> None:
        self.share.end()


class Clock:
    """Replaces the clocks that CoreShare reads."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.cpu_s = 0.0
        self.preemptions = 0

    def monotonic(self) -> float:
        return self.now_s

    def thread_time(self) -> float:
        return self.cpu_s

    def count_preemptions(self) -> int:
        return self.preemptions


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(core_share, "time", clock)
    monkeypatch.setattr(core_share, "_preemptions", clock.count_preemptions)
    return clock


@pytest.fixture
def file() -> Iterator[str]:
    with core_share_file(3) as path:
        yield path


def test_lone_stage_takes_all_cores(file: str, clock: Clock) -> None:
    stage = Stage(file, 0, 4, clock)
    stage.begin()
    stage.steps(10, cpu_s=0.1)
    assert stage.chosen == [1, 4]  # one thread until the cost of a step is known


def test_busy_stages_split_the_cores(file: str, clock: Clock) -> None:
    first, second, third = (Stage(file, slot, 4, clock) for slot in range(3))
    for stage in (first, second):
        stage.begin()
        stage.steps(10, cpu_s=0.1)
    assert second.threads == 2
    first.steps(1, cpu_s=0.1)
    assert first.threads == 2
    third.begin()
    first.steps(1, cpu_s=0.1)
    assert first.threads == 1


def test_cores_of_a_stage_are_shared_after_its_grace_period(file: str, clock: Clock) -> None:
    first, second = (Stage(file, slot, 2, clock) for slot in range(2))
    for stage in (first, second):
        stage.begin()
        stage.steps(10, cpu_s=0.1)
    second.end()
    first.steps(1, cpu_s=0.1)
    assert first.threads == 1  # the other one probably has its next step soon
    clock.now_s += 2 * core_share.LINGER_S
    first.steps(1, cpu_s=0.1)
    assert first.threads == 2


@pytest.mark.parametrize(("cpu_s", "threads"), [(0.001, 1), (0.0045, 2), (0.02, 8)])
def test_short_step_gets_few_threads(file: str, clock: Clock, cpu_s: float, threads: int) -> None:
    stage = Stage(file, 0, 8, clock)
    stage.begin()
    stage.steps(30, cpu_s)
    assert stage.threads == threads


def test_prompt_does_not_count_as_the_cost_of_a_step(file: str, clock: Clock) -> None:
    stage = Stage(file, 0, 2, clock)
    stage.begin()
    stage.steps(3, cpu_s=0.001)
    stage.steps(1, cpu_s=0.1)
    stage.steps(3, cpu_s=0.001)
    assert stage.chosen == [1]


def test_waiting_threads_do_not_raise_the_measured_cost(file: str, clock: Clock) -> None:
    stage = Stage(file, 0, 8, clock)
    stage.begin()
    stage.steps(10, cpu_s=0.005)
    stage.steps(10, cpu_s=0.1)
    assert stage.threads == 2


def test_preempted_threads_are_reduced_to_one_for_a_while(file: str, clock: Clock) -> None:
    stage = Stage(file, 0, 2, clock)
    stage.begin()
    stage.steps(5, cpu_s=0.1)
    assert stage.threads == 2
    for _ in range(10):  # another program uses a core
        clock.now_s += 0.01
        clock.preemptions += 2
        stage.steps(1, cpu_s=0.1)
    assert stage.threads == 1
    clock.now_s += core_share.CROWDED_S
    for _ in range(20):  # it has ended
        clock.now_s += 0.01
        stage.steps(1, cpu_s=0.1)
    assert stage.threads == 2


def test_killed_stage_is_idle_once_it_is_started_again(file: str, clock: Clock) -> None:
    first, killed = (Stage(file, slot, 2, clock) for slot in range(2))
    killed.begin()
    first.begin()
    first.steps(10, cpu_s=0.1)
    assert first.threads == 1
    Stage(file, 1, 2, clock)
    first.steps(1, cpu_s=0.1)
    assert first.threads == 2


async def test_model_thread_counts_as_busy_while_it_works(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_share, "_preemptions", lambda: 0)
    chosen: list[int] = []
    thread = ModelThread(cores=CoreShare(f"{file}:0", 2, chosen.append))
    other = CoreShare(f"{file}:1", 2, chosen.append)

    def work() -> int:
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        thread.note_step()
        return chosen[-1]

    for _ in range(8):
        await thread.run(work)
    assert await thread.run(work) == 2
    other.begin()
    assert await thread.run(work) == 1
    await thread.shutdown()
