"""Jobs of many streams in one worker: order, batches, cancellation and failures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from barkserve.engine.batcher import Batcher
from barkserve.errors import ModelExecutionFailed
from tests.support.fakes import Gate, until


class Doubler:
    """Doubles numbers, records its batches, waits at a gate, and fails on 13."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate
        self.batches: list[list[int]] = []

    def __call__(self, jobs: list[int]) -> list[int]:
        self.batches.append(jobs)
        if self.gate is not None:
            self.gate()
        if 13 in jobs:
            raise ValueError("13 is unlucky")
        return [2 * job for job in jobs]


@asynccontextmanager
async def running(
    work: Callable[[list[int]], list[int]], max_batch: int
) -> AsyncIterator[Batcher[int, int]]:
    batcher = Batcher(work, max_batch)
    await batcher.start()
    try:
        yield batcher
    finally:
        gate = getattr(work, "gate", None)
        if gate is not None:
            gate.open()
        await batcher.stop()


@asynccontextmanager
async def busy(work: Doubler, max_batch: int) -> AsyncIterator[Batcher[int, int]]:
    """Run a batcher that is blocked in a batch with the single job 0."""
    async with running(work, max_batch) as batcher:
        task = asyncio.create_task(batcher.submit("first", 0))
        await until(lambda: work.batches == [[0]])
        yield batcher
        assert await task == 0


def submit(batcher: Batcher[int, int], key: str, *jobs: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(batcher.submit(key, job)) for job in jobs]


async def test_batcher_returns_each_job_its_result() -> None:
    async with running(Doubler(), 4) as batcher:
        results = await asyncio.gather(*submit(batcher, "a", *range(10)))
    assert results == [2 * job for job in range(10)]


async def test_batcher_runs_queued_jobs_together_up_to_max_batch() -> None:
    work = Doubler(Gate())
    async with busy(work, 3) as batcher:
        tasks = submit(batcher, "a", 1, 2, 3, 4, 5)
        await until(lambda: batcher.waiting == 5)
        work.gate.open()
        await asyncio.gather(*tasks)
    assert work.batches == [[0], [1, 2, 3], [4, 5]]


async def test_batcher_runs_equal_keys_together_oldest_first() -> None:
    work = Doubler(Gate())
    async with busy(work, 3) as batcher:
        tasks = submit(batcher, "a", 1, 2) + submit(batcher, "b", 3) + submit(batcher, "a", 4, 5)
        await until(lambda: batcher.waiting == 5)
        work.gate.open()
        await asyncio.gather(*tasks)
    assert work.batches == [[0], [1, 2, 4], [3], [5]]


async def test_batcher_drops_a_cancelled_job() -> None:
    work = Doubler(Gate())
    async with busy(work, 3) as batcher:
        tasks = submit(batcher, "a", 1, 2, 3)
        await until(lambda: batcher.waiting == 3)
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        work.gate.open()
        assert await asyncio.gather(tasks[0], tasks[2]) == [2, 6]
    assert work.batches == [[0], [1, 3]]


async def test_batcher_skips_a_fully_cancelled_batch() -> None:
    work = Doubler(Gate())
    async with busy(work, 3) as batcher:
        (task,) = submit(batcher, "a", 1)
        await until(lambda: batcher.waiting == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        work.gate.open()
        assert await batcher.submit("a", 2) == 4
    assert work.batches == [[0], [2]]


async def test_batcher_keeps_others_when_a_running_job_is_cancelled() -> None:
    work = Doubler(Gate())
    async with busy(work, 3) as batcher:
        tasks = submit(batcher, "a", 1, 2)
        await until(lambda: batcher.waiting == 2)
        work.gate.let(1)
        await until(lambda: len(work.batches) == 2)
        tasks[0].cancel()
        work.gate.open()
        assert await tasks[1] == 4
        assert await batcher.submit("a", 3) == 6


async def test_batcher_fails_only_the_jobs_of_a_failed_batch() -> None:
    work = Doubler(Gate())
    async with busy(work, 2) as batcher:
        tasks = submit(batcher, "a", 1, 13, 2, 3)
        await until(lambda: batcher.waiting == 4)
        work.gate.open()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [ModelExecutionFailed] * 2
    assert [type(result.__cause__) for result in results[:2]] == [ValueError] * 2
    assert results[2:] == [4, 6]


async def test_batcher_fails_a_batch_with_too_few_results() -> None:
    batcher: Batcher[int, int] = Batcher(lambda jobs: [] if 13 in jobs else jobs, 2)
    await batcher.start()
    try:
        with pytest.raises(ModelExecutionFailed) as failure:
            await batcher.submit("a", 13)
        assert isinstance(failure.value.__cause__, ValueError)
        assert "shorter" in str(failure.value.__cause__)
        assert await batcher.submit("a", 2) == 2
    finally:
        await batcher.stop()


async def test_stop_runs_no_further_batch() -> None:
    work = Doubler(Gate())
    batcher = Batcher(work, 1)
    await batcher.start()
    tasks = submit(batcher, "a", 1, 2)
    await until(lambda: work.batches == [[1]])
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    work.gate.open()
    await stopping
    assert work.batches == [[1]]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_batcher_runs_earliest_deadline_first() -> None:
    work = Doubler(Gate())
    async with busy(work, 2) as batcher:
        dues = [("a", 1, 9.0), ("b", 2, 3.0), ("a", 3, 7.0), ("b", 4, 8.0), ("a", 5, 1.0)]
        tasks = [asyncio.create_task(batcher.submit(*each)) for each in dues]
        await until(lambda: batcher.waiting == 5)
        work.gate.open()
        assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert work.batches == [[0], [5, 3], [2, 4], [1]]
