"""The engine over a fake model whose tokens can be computed by hand."""

import asyncio
import time
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.engine.engine import Engine
from barkserve.engine.request import Request, State
from barkserve.engine.scheduler import Scheduler
from barkserve.errors import ModelExecutionFailed
from tests.support.fakes import FakeRunner, Gate, engine_over, fake_request, fake_tokens, until


async def collect(engine: Engine, request: Request) -> list[int]:
    pieces = [tokens async for tokens in engine.generate(request)]
    assert all(pieces)  # never empty
    return [token for tokens in pieces for token in tokens]


async def test_tokens_equal_a_hand_computed_example() -> None:
    async with engine_over(FakeRunner()) as engine:
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]


async def test_ids_of_one_position_are_summed() -> None:
    request = fake_request([5, 6, 7], 3)
    request.prompt = request.prompt.repeat(2, axis=1)
    request.prompt[:, 1] = [1, -1, 2]
    async with engine_over(FakeRunner()) as engine:
        tokens = await collect(engine, request)
    assert tokens == [(18 + 3 + 3) % 97, (18 + 3 + 24 + 4) % 97, (18 + 3 + 24 + 49 + 5) % 97]


async def test_heads_alternate() -> None:
    heads = (range(10, 20), range(30, 50))
    async with engine_over(FakeRunner(heads=heads)) as engine:
        tokens = await collect(engine, fake_request([5, 6, 7], 5, heads=range(2)))
    assert tokens == fake_tokens([5, 6, 7], 5, heads=heads)
    assert [token < 20 for token in tokens] == [True, False, True, False, True]


async def test_stop_token_ends_the_request_and_is_not_yielded() -> None:
    request = fake_request([5, 6, 7], 50, stop_token=87)
    async with engine_over(FakeRunner()) as engine:
        assert await collect(engine, request) == [21, 43]
        assert engine.free_slots == engine.slots
    assert request.stopped


async def test_first_stop_token_yields_nothing() -> None:
    async with engine_over(FakeRunner()) as engine:
        assert await collect(engine, fake_request([5, 6, 7], 50, stop_token=21)) == []
        assert await collect(engine, fake_request([5, 6, 7], 1)) == [21]


async def test_max_tokens_ends_a_request_without_stop() -> None:
    request = fake_request([1], 7, stop_token=-5)
    async with engine_over(FakeRunner()) as engine:
        assert len(await collect(engine, request)) == 7
    assert not request.stopped


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 96), min_size=1, max_size=6),  # prompt
        st.integers(1, 8),  # max_tokens
        st.one_of(st.none(), st.integers(0, 96)),  # stop token
        st.integers(0, 5),  # joins after this many turns of the event loop
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=50, deadline=None)
@given(requests=REQUESTS, slots=st.integers(1, 4))
def test_tokens_do_not_depend_on_other_requests(
    requests: list[tuple[list[int], int, int | None, int]], slots: int
) -> None:
    async def late(engine: Engine, prompt: list[int], count: int, stop: int | None, turns: int):
        for _ in range(turns):
            await asyncio.sleep(0)
        return await collect(engine, fake_request(prompt, count, stop_token=stop))

    async def scenario() -> list[list[int]]:
        async with engine_over(FakeRunner(slots=slots)) as engine:
            results = await asyncio.gather(*(late(engine, *request) for request in requests))
            assert (engine.free_slots, engine.running, engine.waiting) == (slots, 0, 0)
            return list(results)

    expected = [fake_tokens(prompt, count, stop) for prompt, count, stop, _ in requests]
    assert asyncio.run(scenario()) == expected


async def test_requests_beyond_the_slots_wait() -> None:
    runner = FakeRunner(slots=2, gate=Gate())
    async with engine_over(runner) as engine:
        tasks = [asyncio.create_task(collect(engine, fake_request([n], 4))) for n in range(5)]
        await until(lambda: len(runner.steps) == 1)
        assert (engine.running, engine.waiting, engine.free_slots) == (2, 3, 0)
        runner.gate.open()
        assert await asyncio.gather(*tasks) == [fake_tokens([n], 4) for n in range(5)]


async def test_running_requests_decode_together() -> None:
    runner = FakeRunner(slots=4, gate=Gate())
    async with engine_over(runner) as engine:
        tasks = [asyncio.create_task(collect(engine, fake_request([n, n], 9))) for n in range(4)]
        await until(lambda: len(runner.steps) == 1)
        runner.gate.open()
        await asyncio.gather(*tasks)
    assert max(len(step.slots) for step in runner.steps) == 4
    assert len(runner.steps) < 4 * 9


async def test_prefills_alternate_with_decodes() -> None:
    runner = FakeRunner(slots=4, gate=Gate())
    async with engine_over(runner) as engine:
        tasks = [asyncio.create_task(collect(engine, fake_request([n, n], 9))) for n in range(4)]
        await until(lambda: len(runner.steps) == 1)
        runner.gate.open()
        await asyncio.gather(*tasks)
    assert [step.length for step in runner.steps[:8]] == [2, 1, 2, 1, 2, 1, 2, 1]


async def test_late_reader_gets_no_token_of_the_current_step() -> None:
    loop = asyncio.get_running_loop()

    def be_busy() -> None:  # the worker is steps ahead when the reader wakes
        nonlocal turn
        time.sleep(0.002)
        turn = loop.call_soon(be_busy)

    turn = loop.call_soon(be_busy)
    async with engine_over(FakeRunner(gate=lambda: time.sleep(0.0007))) as engine:
        request = fake_request([1], 60, report_every=4)
        pieces = [len(tokens) async for tokens in engine.generate(request)]
    turn.cancel()
    assert sum(pieces) == 60
    assert all(piece % 4 == 0 for piece in pieces)  # otherwise later reports are delayed


async def test_model_does_not_wait_for_a_busy_event_loop() -> None:
    runner = FakeRunner(slots=2, gate=Gate())
    async with engine_over(runner) as engine:
        tasks = [asyncio.create_task(collect(engine, fake_request([n], 50))) for n in range(2)]
        await until(lambda: len(runner.steps) == 1)
        runner.gate.open()
        deadline = time.monotonic() + 10
        while len(runner.steps) < 50 and time.monotonic() < deadline:
            time.sleep(0.001)  # noqa: ASYNC251 - the event loop is busy
        assert len(runner.steps) >= 50
        assert await asyncio.gather(*tasks) == [fake_tokens([n], 50) for n in range(2)]


async def test_closing_a_running_request_frees_its_slot() -> None:
    runner = FakeRunner(slots=1)
    async with engine_over(runner) as engine:
        request = fake_request([1], 1000)
        async with aclosing(engine.generate(request)) as steps:
            await anext(steps)
            assert engine.free_slots == 0
        assert (engine.free_slots, engine.running) == (1, 0)
        assert request.state is State.ABORTED
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]


@pytest.mark.parametrize("steps_before", [0, 1, 2, 5])
async def test_cancelling_during_a_step_frees_the_slot(steps_before: int) -> None:
    runner = FakeRunner(slots=2, gate=Gate())
    runner.gate.let(steps_before)
    async with engine_over(runner) as engine:
        cancelled = asyncio.create_task(collect(engine, fake_request([1, 2], 1000)))
        other = asyncio.create_task(collect(engine, fake_request([3, 4], 12)))
        await until(lambda: len(runner.steps) == steps_before + 1)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert (cancelled.cancelled(), engine.free_slots) == (True, 1)
        joiner = asyncio.create_task(collect(engine, fake_request([5, 6, 7], 3)))
        runner.gate.open()
        assert await other == fake_tokens([3, 4], 12)
        assert await joiner == [21, 43, 87]
        assert (engine.free_slots, engine.running, engine.waiting) == (2, 0, 0)


async def test_cancelling_a_waiting_request_admits_the_next() -> None:
    runner = FakeRunner(slots=1, gate=Gate())
    async with engine_over(runner) as engine:
        first = asyncio.create_task(collect(engine, fake_request([1], 3)))
        second = asyncio.create_task(collect(engine, fake_request([2], 3)))
        third = asyncio.create_task(collect(engine, fake_request([3], 3)))
        await until(lambda: engine.waiting == 2)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert engine.waiting == 1
        runner.gate.open()
        assert await first == fake_tokens([1], 3)
        assert await third == fake_tokens([3], 3)
        assert engine.free_slots == 1


@settings(max_examples=30, deadline=None)
@given(leave_after=st.lists(st.integers(0, 6), min_size=1, max_size=6), slots=st.integers(1, 3))
def test_cancelled_streams_leave_others_running(leave_after: list[int], slots: int) -> None:
    async def read_some(engine: Engine, prompt: int, after: int) -> None:
        async with aclosing(engine.generate(fake_request([prompt, 1], 1000))) as steps:
            count = 0
            while count < after:
                count += len(await anext(steps))

    async def scenario() -> None:
        async with engine_over(FakeRunner(slots=slots)) as engine:
            readers = [read_some(engine, n, after) for n, after in enumerate(leave_after)]
            *_, tokens = await asyncio.gather(*readers, collect(engine, fake_request([9, 9], 20)))
            assert tokens == fake_tokens([9, 9], 20)
            assert (engine.free_slots, engine.running, engine.waiting) == (slots, 0, 0)

    asyncio.run(scenario())


async def test_continued_request_computes_only_missing_positions() -> None:
    runner = FakeRunner(slots=2)
    async with engine_over(runner) as engine:
        first = fake_request([5, 6, 7], 3, hold=True)
        tokens = await collect(engine, first)
        assert (runner.positions, engine.free_slots) == (3 + 2, 2)  # the last token is not fed
        again = fake_request([5, 6, 7, *tokens], 2, continues=first)
        assert await collect(engine, again) == fake_tokens([5, 6, 7, *tokens], 2)
        assert runner.positions == 5 + 1 + 1
        assert runner.steps[-2].slots == runner.steps[0].slots


async def test_continued_request_can_add_several_positions() -> None:
    runner = FakeRunner(slots=2)
    async with engine_over(runner) as engine:
        first = fake_request([5, 6, 7], 3, hold=True)
        prompt = [5, 6, 7, *await collect(engine, first), 8, 9]
        again = fake_request(prompt, 2, continues=first)
        assert await collect(engine, again) == fake_tokens(prompt, 2)
        assert [step.length for step in runner.steps[3:]] == [3, 1]


async def test_evicted_request_is_continued_from_its_prompt() -> None:
    runner = FakeRunner(slots=1)
    async with engine_over(runner) as engine:
        first = fake_request([5, 6, 7], 3, hold=True)
        tokens = await collect(engine, first)
        await collect(engine, fake_request([1, 2], 2))  # takes the only slot
        again = fake_request([5, 6, 7, *tokens], 2, continues=first)
        assert await collect(engine, again) == fake_tokens([5, 6, 7, *tokens], 2)
        assert [step.length for step in runner.steps[-2:]] == [6, 1]
        assert engine.free_slots == 1


async def test_release_after_eviction_keeps_the_new_owner() -> None:
    runner = FakeRunner(slots=1, gate=Gate())
    async with engine_over(runner) as engine:
        first = fake_request([5], 1, hold=True)
        runner.gate.let(1)
        await collect(engine, first)
        second = asyncio.create_task(collect(engine, fake_request([1, 2], 4)))
        await until(lambda: engine.running == 1)
        engine.release(first)
        assert engine.free_slots == 0
        runner.gate.open()
        assert await second == fake_tokens([1, 2], 4)


async def test_failed_step_fails_only_its_requests() -> None:
    runner = FakeRunner(slots=3, gate=Gate(), raises={0: MemoryError("no room")})
    async with engine_over(runner) as engine:
        unlucky = asyncio.create_task(collect(engine, fake_request([1, 2], 3)))
        other = asyncio.create_task(collect(engine, fake_request([3, 4], 3)))
        await until(lambda: engine.running == 2)
        runner.gate.open()
        with pytest.raises(ModelExecutionFailed) as failure:
            await unlucky
        assert isinstance(failure.value.__cause__, MemoryError)
        assert await other == fake_tokens([3, 4], 3)
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]
        assert engine.free_slots == 3


async def test_failed_step_keeps_the_tokens_before() -> None:
    runner = FakeRunner(slots=2, raises={4: RuntimeError("device lost")})
    received: list[list[int]] = [[], []]

    async def follow(number: int, engine: Engine) -> None:
        async for tokens in engine.generate(fake_request([number, 1], 100)):
            received[number] += tokens

    async with engine_over(runner) as engine:
        results = await asyncio.gather(follow(0, engine), follow(1, engine), return_exceptions=True)
        assert [type(result) for result in results] == [ModelExecutionFailed, ModelExecutionFailed]
        assert engine.free_slots == 2
    for number, tokens in enumerate(received):
        assert tokens == fake_tokens([number, 1], 100)[: len(tokens)]


async def test_failure_reaches_a_busy_reader() -> None:
    runner = FakeRunner(raises={3: RuntimeError("device lost")})
    request, got = fake_request([1, 2], 100), []

    async def read(engine: Engine) -> None:
        async for tokens in engine.generate(request):
            got.extend(tokens)
            await until(lambda: request.state is State.ABORTED)

    async with engine_over(runner) as engine:
        with pytest.raises(ModelExecutionFailed):
            await read(engine)
    assert got == fake_tokens([1, 2], 3)


async def test_cancelled_request_ignores_a_failed_step() -> None:
    runner = FakeRunner(slots=1, gate=Gate(), raises={0: RuntimeError("too late")})
    async with engine_over(runner) as engine:
        task = asyncio.create_task(collect(engine, fake_request([1], 3)))
        await until(lambda: len(runner.steps) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        runner.gate.open()
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]


async def test_internal_error_ends_streams_but_not_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish_batch, defects = Scheduler.finish_batch, [ArithmeticError("a defect")]

    def defective(scheduler: Scheduler, *arguments: object) -> list[Request]:
        changed = finish_batch(scheduler, *arguments)  # type: ignore[arg-type]
        if defects and len(changed) == 2:
            raise defects.pop()
        return changed

    monkeypatch.setattr(Scheduler, "finish_batch", defective)
    async with engine_over(FakeRunner(slots=2)) as engine:
        lengths = (1, 50, 50)  # one has just ended, one runs, one waits
        results = await asyncio.gather(
            *(collect(engine, fake_request([n], count)) for n, count in enumerate(lengths)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            list,
            ModelExecutionFailed,
            ModelExecutionFailed,
        ]
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]
        assert (engine.free_slots, engine.running, engine.waiting) == (2, 0, 0)


async def test_persistent_internal_error_ends_every_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defective(scheduler: Scheduler) -> None:
        raise ArithmeticError("a defect")

    async with engine_over(FakeRunner()) as engine:
        monkeypatch.setattr(Scheduler, "next_batch", defective)
        for _ in range(2):
            with pytest.raises(ModelExecutionFailed):
                await collect(engine, fake_request([1], 5))


async def test_slow_reader_gets_all_tokens_in_order() -> None:
    async with engine_over(FakeRunner()) as engine:
        got: list[int] = []
        async with aclosing(engine.generate(fake_request([1], 40))) as steps:
            async for tokens in steps:
                got += tokens
                await asyncio.sleep(0.002)
        assert got == fake_tokens([1], 40)


async def test_closing_after_the_end_frees_the_slot() -> None:
    async with engine_over(FakeRunner(slots=1)) as engine:
        request = fake_request([1], 2, hold=True)
        async with aclosing(engine.generate(request)) as steps:
            await anext(steps)
            await until(lambda: request.state is State.FINISHED)
        assert engine.free_slots == 1
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]


async def test_stop_waits_for_the_current_step() -> None:
    runner = FakeRunner(gate=Gate())
    engine = Engine(runner)
    await engine.start()
    task = asyncio.create_task(collect(engine, fake_request([1], 100)))
    await until(lambda: len(runner.steps) == 1)
    stopping = asyncio.create_task(engine.stop())
    await asyncio.sleep(0)
    runner.gate.open()
    await stopping
    assert len(runner.steps) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
