"""The circle of leaving and coming back, around a place that counts moves."""

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
    place: FakeOffloadable, idle_s: float = SOON
) -> AsyncIterator[tuple[DeviceResidency, Engine]]:
    """An engine whose model is soon away; at the end all gates are open."""
    residency = DeviceResidency(place, idle_s)
    async with engine_over(FakeRunner(gate=place.check), residency) as engine:
        try:
            yield residency, engine
        finally:
            if isinstance(place.gate, Gate):
                place.gate.open()


def in_state(residency: DeviceResidency, state: State) -> Any:
    return until(lambda: residency.state is state)


async def test_it_leaves_when_nobody_came_and_is_back_for_the_next() -> None:
    place = FakeOffloadable()
    async with moving(place) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        assert (place.here, residency.freed_bytes) == (False, 1000)
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
        assert residency.reload_s > 0
        await in_state(residency, State.OFFLOADED)
    assert place.moves == ["offload", "reload", "offload"]


async def test_without_a_place_or_while_in_use_it_stays() -> None:
    place = FakeOffloadable()
    async with moving(place) as (residency, engine):
        with residency.reserve():
            await tokens_of(engine, [1], 1)
            await asyncio.sleep(20 * SOON)
            assert residency.state is State.RESIDENT
    async with engine_over(FakeRunner(), DeviceResidency()) as engine:
        await asyncio.sleep(20 * SOON)
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


async def test_all_who_come_meanwhile_share_one_return() -> None:
    place = FakeOffloadable(gate=(gate := Gate()))
    async with moving(place) as (residency, engine):
        gate.let()
        await in_state(residency, State.OFFLOADED)
        early = [asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(5)]
        await in_state(residency, State.RELOADING)
        late = [asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(5, 9)]
        await asyncio.sleep(0)
        gate.let()
        assert await asyncio.gather(*early, *late) == [fake_tokens([n], 4) for n in range(9)]
        assert place.moves.count("reload") == 1


async def test_who_comes_while_it_leaves_waits_for_its_return() -> None:
    place = FakeOffloadable(gate=(gate := Gate()))
    async with moving(place) as (residency, engine):
        await until(lambda: place.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        await asyncio.sleep(10 * SOON)
        assert (residency.state, task.done()) == (State.OFFLOADING, False)
        gate.let(2)
        assert await task == [21, 43, 87]


async def test_who_gives_up_while_it_leaves_does_not_call_it_back() -> None:
    place = FakeOffloadable(gate=(gate := Gate()))
    async with moving(place) as (residency, engine):
        await until(lambda: place.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gate.let(2)
        await in_state(residency, State.OFFLOADED)
        await asyncio.sleep(10 * SOON)
        assert place.moves == ["offload"]
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_who_gives_up_while_it_returns_harms_nobody(all_of_them: bool) -> None:
    place = FakeOffloadable(gate=(gate := Gate()))
    async with moving(place) as (residency, engine):
        gate.let()
        await in_state(residency, State.OFFLOADED)
        leaver, stayer = (asyncio.create_task(tokens_of(engine, [n], 4)) for n in range(2))
        await in_state(residency, State.RELOADING)
        leavers = (leaver, stayer) if all_of_them else (leaver,)
        for task in leavers:
            task.cancel()
        await asyncio.gather(*leavers, return_exceptions=True)
        gate.let(2)
        if not all_of_them:
            assert await stayer == fake_tokens([1], 4)
        await until(lambda: place.moves[2:] == ["offload"])
        gate.open()
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
        assert (engine.free_slots, engine.running, engine.waiting) == (engine.slots, 0, 0)


async def test_a_return_that_fails_fails_those_who_wait_and_the_next_tries_again() -> None:
    place = FakeOffloadable(raises={1: MemoryError("others have it")})
    async with moving(place) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        failed = await asyncio.gather(
            *(tokens_of(engine, [n], 4) for n in range(3)), return_exceptions=True
        )
        assert [type(error) for error in failed] == [ModelExecutionFailed] * 3
        assert residency.state is State.OFFLOADED
        assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]
    assert place.moves[:3] == ["offload", "reload", "reload"]


async def test_a_stream_that_waits_for_its_input_is_no_reason_to_try_again_and_again() -> None:
    place = FakeOffloadable(raises={1: MemoryError("others have it")})
    async with moving(place) as (residency, engine):
        await in_state(residency, State.OFFLOADED)
        with residency.reserve():
            await until(lambda: len(place.moves) == 2)
            await asyncio.sleep(10 * SOON)
            assert (residency.state, len(place.moves)) == (State.OFFLOADED, 2)
            assert await tokens_of(engine, [5, 6, 7], 3) == [21, 43, 87]


async def test_a_network_that_cannot_leave_stays_and_works() -> None:
    place = FakeOffloadable(raises={0: MemoryError("no room on the host")}, gate=(gate := Gate()))
    async with moving(place) as (residency, engine):
        await until(lambda: place.moves == ["offload"])
        task = asyncio.create_task(tokens_of(engine, [5, 6, 7], 3))
        gate.let()
        assert await task == [21, 43, 87]
        gate.open()
        await in_state(residency, State.OFFLOADED)  # it is tried again
    assert place.moves[:2] == ["offload", "offload"]


async def test_a_stream_calls_the_network_back_before_its_first_step() -> None:
    place = FakeOffloadable()
    async with moving(place) as (residency, _):
        admission = Admission(4, during=residency.reserve)
        await in_state(residency, State.OFFLOADED)
        with admission.stream():
            await in_state(residency, State.RESIDENT)
            assert place.moves == ["offload", "reload"]
        await in_state(residency, State.OFFLOADED)
        assert place.moves == ["offload", "reload", "offload"]


async def test_what_a_sequence_left_for_the_next_is_computed_anew() -> None:
    runner = FakeRunner(slots=2)
    place = FakeOffloadable(
        on_offload=runner.held.clear
    )  # a step that counts on what was there would fail
    residency = DeviceResidency(place, SOON)
    async with engine_over(runner, residency) as engine:
        first = fake_request([5, 6, 7], 3, hold=True)
        tokens = [token async for part in engine.generate(first) for token in part]
        await in_state(residency, State.OFFLOADED)
        assert engine.free_slots == 2
        more = await tokens_of(engine, [5, 6, 7, *tokens], 3, continues=first)
        assert tokens + more == fake_tokens([5, 6, 7], 6)
        assert runner.steps[3].starts == (0,)


@pytest.mark.parametrize("state", list(State))
async def test_it_can_be_stopped_wherever_it_is(state: State) -> None:
    place = FakeOffloadable(gate=(gate := Gate()))
    idle_s = 60.0 if state is State.RESIDENT else SOON
    async with moving(place, idle_s) as (residency, engine):
        if state in (State.OFFLOADED, State.RELOADING):
            gate.let()
            await in_state(residency, State.OFFLOADED)
        waiting = asyncio.create_task(tokens_of(engine, [1], 4))
        if state is not State.RELOADING:
            waiting.cancel()
        await in_state(residency, state)
        waiting.cancel()  # as a server does that stops
        await asyncio.gather(waiting, return_exceptions=True)
        await residency.stop()  # as the engine does first; a move that runs is at the gate
        gate.open()
        await engine.stop()
        assert residency.state is state
        assert place.here is (state in (State.RESIDENT, State.RELOADING))


async def test_a_batcher_waits_for_the_return_too() -> None:
    place = FakeOffloadable(raises={1: MemoryError("others have it")})
    residency = DeviceResidency(place, SOON)

    def run(jobs: list[int]) -> list[int]:
        place.check()
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
    assert place.moves[:3] == ["offload", "reload", "reload"]


async def test_no_step_ever_finds_the_network_away() -> None:
    draw = random.Random(4)
    place = FakeOffloadable()

    async def stream(engine: Engine) -> None:
        await asyncio.sleep(draw.random() * 0.05)
        prompt, count = [draw.randrange(97)], draw.randrange(1, 6)
        if draw.random() < 0.3:  # leaves in the middle
            async with aclosing(engine.generate(fake_request(prompt, 50))) as steps:
                async for _ in steps:
                    return
        assert await tokens_of(engine, prompt, count) == fake_tokens(prompt, count)

    async with moving(place, idle_s=0.0005) as (residency, engine):
        for _ in range(4):
            await asyncio.gather(*(stream(engine) for _ in range(40)))
            await in_state(residency, State.OFFLOADED)
        assert (engine.free_slots, engine.running, engine.waiting) == (engine.slots, 0, 0)
    assert place.moves.count("reload") > 3
