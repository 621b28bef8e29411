"""Offload and reload, with a fake model that counts its moves."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from barkserve.engine.batcher import Batcher
from barkserve.engine.device_residency import DeviceResidency, State
from barkserve.engine.engine import Engine
from barkserve.errors import ModelExecutionFailed
from barkserve.serving.admission import Admission
from tests.support.fakes import (
    FakeOffloadable,
    FakeRunner,
    Gate,
    engine_over,
    fake_request,
    fake_tokens,
    until,
)

SOON = 0.001


async def tokens_of(engine: Engine, prompt: list[int], count: int, **options: Any) -> list[int]:
    request = fake_request(prompt, count, **options)
    return [token async for part in engine.generate(request) for token in part]


@asynccontextmanager
async def moving(
    model: FakeOffloadable, idle_s: float = SOON
) -> AsyncIterator[tuple[DeviceResidency, Engine]]:
    """Run an engine that offloads its model quickly; open all gates at the end."""
    residency = DeviceResidency(model, idle_s)
    async with engine_over(FakeRunner(gate=model.check), residency) as engine:
        try:
            yield residency, engine
        finally:
            if isinstance(model.gate, Gate):
                model.gate.open()


def in_state(residency: DeviceResidency, state: State) -> Any:
    return until(lambda: residency.state is state)


async def test_residency_offloads_when_idle_and_reloads() -> None:
    model = FakeOffloadable()
    async with moving(model) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        assert (model.here, residency.freed_bytes) == (False, 1000)
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
        assert residency.reload_s > 0
        await in_state(residency, State.OFFLOADED)
    assert model.moves == ["offload", "reload", "offload"]


async def test_residency_stays_resident_in_use_or_without_offload() -> None:
    model = FakeOffloadable()
    async with moving(model) as (residency, engine):
        with residency.reserve():
            await tokens_of(engine, [1], 1)
            await asyncio.sleep(20 * SOON)
            assert residency.state is State.RESIDENT
    async with engine_over(FakeRunner(), DeviceResidency()) as engine:
        await asyncio.sleep(20 * SOON)
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


async def test_residency_reloads_once_for_many_streams() -> None:
    model = FakeOffloadable(gate=(gate := Gate()))
    async with moving(model) as (residency, engine):
        gate.let()
        await in_state(residency, State.OFFLOADED)
        early = [asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(5)]
        await in_state(residency, State.RELOADING)
        late = [asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(5, 9)]
        await asyncio.sleep(0)
        gate.let()
        assert await asyncio.gather(*early, *late) == [fake_tokens([n], 4) for n in range(9)]
        assert model.moves.count("reload") == 1


async def test_residency_reloads_for_a_stream_during_an_offload() -> None:
    model = FakeOffloadable(gate=(gate := Gate()))
    async with moving(model) as (residency, engine):
        await until(lambda: model.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        await asyncio.sleep(10 * SOON)
        assert (residency.state, task.done()) == (State.OFFLOADING, False)
        gate.let(2)
        assert await task == [21, 43, 87]


async def test_residency_stays_offloaded_for_a_cancelled_stream() -> None:
    model = FakeOffloadable(gate=(gate := Gate()))
    async with moving(model) as (residency, engine):
        await until(lambda: model.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gate.let(2)
        await in_state(residency, State.OFFLOADED)
        await asyncio.sleep(10 * SOON)
        assert model.moves == ["offload"]
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_residency_survives_cancellation_during_a_reload(all_of_them: bool) -> None:
    model = FakeOffloadable(gate=(gate := Gate()))
    async with moving(model) as (residency, engine):
        gate.let()
        await in_state(residency, State.OFFLOADED)
        first, second = (asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(2))
        await in_state(residency, State.RELOADING)
        cancelled = (first, second) if all_of_them else (first,)
        for task in cancelled:
            task.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        gate.let(2)
        if not all_of_them:
            assert await second == fake_tokens([1], 4)
        await until(lambda: model.moves[2:] == ["offload"])
        gate.open()
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
        assert (engine.free_slots, engine.running, engine.waiting) == (engine.slots, 0, 0)


async def test_residency_retries_after_a_failed_reload() -> None:
    model = FakeOffloadable(raises={1: MemoryError("others have it")})
    async with moving(model) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        failed = await asyncio.gather(
            *(tokens_of(engine, [n], 4) for n in range(3)), return_exceptions=True
        )
        assert [type(error) for error in failed] == [ModelExecutionFailed] * 3
        assert residency.state is State.OFFLOADED
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
    assert model.moves[:3] == ["offload", "reload", "reload"]


async def test_residency_waits_for_a_step_after_a_failed_reload() -> None:
    model = FakeOffloadable(raises={1: MemoryError("others have it")})
    async with moving(model) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        with residency.reserve():
            await until(lambda: len(model.moves) == 2)
            await asyncio.sleep(10 * SOON)
            assert (residency.state, len(model.moves)) == (State.OFFLOADED, 2)
            assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


async def test_residency_stays_resident_after_a_failed_offload() -> None:
    model = FakeOffloadable(raises={0: MemoryError("no room on the host")}, gate=(gate := Gate()))
    async with moving(model) as (residency, engine):
        await until(lambda: model.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        gate.let()
        assert await task == [21, 43, 87]
        gate.open()
        await in_state(residency, State.OFFLOADED)  # tried again
    assert model.moves[:2] == ["offload", "offload"]


async def test_residency_reloads_for_an_admitted_stream() -> None:
    model = FakeOffloadable()
    async with moving(model) as (residency, _):
        admission = Admission(4, during=residency.reserve)
        await in_state(residency, State.OFFLOADED)
        with admission.stream():
            await in_state(residency, State.RESIDENT)
            assert model.moves == ["offload", "reload"]
        await in_state(residency, State.OFFLOADED)
        assert model.moves == ["offload", "reload", "offload"]


async def test_residency_drops_held_slots_on_offload() -> None:
    runner = FakeRunner(slots=2)
    model = FakeOffloadable(
        on_offload=runner.held.clear
    )  # a step that reads old positions would fail
    residency = DeviceResidency(model, SOON)
    async with engine_over(runner, residency) as engine:
        first = fake_request([5, 6, 7], 3, hold=True)
        tokens = [token async for part in engine.generate(first) for token in part]
        await in_state(residency, State.OFFLOADED)
        assert engine.free_slots == 2
        more = await tokens_of(engine, [5, 6, 7, *tokens], 3, continues=first)
        assert tokens + more == fake_tokens([5, 6, 7], 6)
        assert runner.steps[3].starts == (0,)


@pytest.mark.parametrize(
    ("state", "moves"),
    [(State.RESIDENT, 0), (State.OFFLOADING, 1), (State.OFFLOADED, 1), (State.RELOADING, 2)],
)
async def test_residency_stops_in_every_state(state: State, moves: int) -> None:
    model = FakeOffloadable(gate=(gate := Gate()))
    idle_s = 60.0 if state is State.RESIDENT else SOON
    async with moving(model, idle_s) as (residency, engine):
        if state in (State.OFFLOADED, State.RELOADING):
            gate.let()
            await in_state(residency, State.OFFLOADED)
        waiting = asyncio.create_task(tokens_of(engine, [1], 4))
        if state is not State.RELOADING:
            waiting.cancel()
        await in_state(residency, state)
        await until(lambda: len(model.moves) == moves)  # a move that has not begun is cancelled
        waiting.cancel()  # as a stopping server does
        await asyncio.gather(waiting, return_exceptions=True)
        await residency.stop()  # a running move is blocked at the gate
        gate.open()
        await engine.stop()
        assert residency.state is state
        assert model.here is (state in (State.RESIDENT, State.RELOADING))


async def test_batcher_waits_for_the_reload() -> None:
    model = FakeOffloadable(raises={1: MemoryError("others have it")})
    residency = DeviceResidency(model, SOON)

    def run(jobs: list[int]) -> list[int]:
        model.check()
        return [2 * job for job in jobs]

    batcher = Batcher(run, 4, residency=residency)
    await batcher.start()
    try:
        await in_state(residency, State.OFFLOADED)
        with pytest.raises(ModelExecutionFailed):
            await batcher.submit(None, 1)
        assert await asyncio.gather(*(batcher.submit(None, n) for n in range(9))) == [
            2 * n for n in range(9)
        ]
        await in_state(residency, State.OFFLOADED)
    finally:
        await batcher.stop()
    assert model.moves[:3] == ["offload", "reload", "reload"]


async def test_residency_never_runs_a_step_while_offloaded() -> None:
    draw = random.Random(4)
    model = FakeOffloadable()

    async def stream(engine: Engine) -> None:
        await asyncio.sleep(draw.random() * 0.05)
        prompt, count = [draw.randrange(97)], draw.randrange(1, 6)
        if draw.random() < 0.3:  # cancelled
            async with aclosing(engine.generate(fake_request(prompt, 50))) as steps:
                async for _ in steps:
                    return
        assert await tokens_of(engine, prompt, count) == fake_tokens(prompt, count)

    async with moving(model, idle_s=0.0005) as (residency, engine):
        for _ in range(4):
            await asyncio.gather(*(stream(engine) for _ in range(40)))
            await in_state(residency, State.OFFLOADED)
        assert (engine.free_slots, engine.running, engine.waiting) == (engine.slots, 0, 0)
    assert model.moves.count("reload") > 3
