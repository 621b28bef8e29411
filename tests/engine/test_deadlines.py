"""Scheduling by earliest playback deadline, and batching of prefills and decodes."""

import asyncio
from dataclasses import dataclass

from barkserve.engine.batch import Batch, Prefill
from barkserve.engine.limits import Limits
from barkserve.engine.playback import FIRST_AUDIO_S, Playback
from barkserve.engine.request import Request
from barkserve.engine.scheduler import Scheduler
from tests.support.batches import as_drawn, draws_of
from tests.support.fakes import FakeRunner, Gate, engine_over, fake_request, fake_tokens, until


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def playing(rate: float = 10.0) -> Playback:
    return Playback(rate)


def step(scheduler: Scheduler, clock: Clock, takes: float) -> Batch:
    batch = scheduler.next_batch()
    assert batch is not None
    clock.now += takes
    scheduler.finish_batch(batch, as_drawn([[1] * draws for draws in draws_of(batch)]), takes)
    return batch


def length(batch: Batch) -> int:
    """Positions of each row: 1 for a burst of one step."""
    return int(batch.lengths[0]) if isinstance(batch, Prefill) else 1


def test_underrun_is_first_output_plus_audio_made() -> None:
    playback = playing(rate=50.0)
    playback.publish(0, 1.0)
    assert playback.underrun_at is None
    playback.publish(5, 2.0)
    playback.publish(20, 9.0)
    assert playback.underrun_at == 2.5


def test_requests_of_a_stream_share_its_deadline() -> None:
    clock, playback = Clock(), playing(rate=2.0)
    scheduler = Scheduler(Limits(2), clock)
    for _ in range(2):
        scheduler.add(fake_request([1, 2], 1, playback=playback))
        step(scheduler, clock, 0.5)
    assert playback.underrun_at == 100.5 + 2 / 2.0


def waiting_prompts(scheduler: Scheduler, clock: Clock, *gaps: float) -> list[Request]:
    """Add requests of playing streams with these seconds of buffered audio."""
    requests = []
    for gap in gaps:
        playback = playing()
        playback.publish(1, clock.now + gap - 0.1)
        requests.append(fake_request([1, 2, 3], 9, playback=playback))
        scheduler.add(requests[-1])
    return requests


def test_prompts_run_earliest_deadline_first() -> None:
    clock = Clock()
    scheduler = Scheduler(Limits(4), clock)
    late, soon, later = waiting_prompts(scheduler, clock, 2.0, 0.1, 5.0)
    newcomer = fake_request([1, 2], 9, playback=playing())
    scheduler.add(newcomer)
    prompts = [step(scheduler, clock, 0.0) for _ in range(4)]
    assert [batch.requests[0] for batch in prompts] == [soon, newcomer, late, later]


def test_free_slot_goes_to_the_earliest_deadline() -> None:
    clock = Clock()
    scheduler = Scheduler(Limits(1), clock)
    waiting_prompts(scheduler, clock, 0.0)
    first = step(scheduler, clock, 0.0).requests[0]
    late, soon = waiting_prompts(scheduler, clock, 3.0, FIRST_AUDIO_S / 2)
    scheduler.abort(first)
    assert step(scheduler, clock, 0.0).requests == (soon,)
    assert late.slot is None


def test_prefills_repeat_while_all_streams_have_enough_audio() -> None:
    clock = Clock()
    scheduler = Scheduler(Limits(4), clock)
    player = fake_request([1, 2], 99, playback=playing(rate=1.0))
    scheduler.add(player)
    step(scheduler, clock, 0.4)  # 1 s is buffered from now on
    waiting_prompts(scheduler, clock, 50.0, 50.0, 50.0)
    taken = [length(step(scheduler, clock, 0.4)) for _ in range(5)]
    assert taken == [3, 3, 1, 3, 1]  # after two prefills 0.2 s are left, less than one takes


def test_prefill_is_not_starved_by_underrunning_streams() -> None:
    clock = Clock()
    scheduler = Scheduler(Limits(3), clock)
    scheduler.add(fake_request([1, 2], 99, playback=playing(rate=1000.0)))
    step(scheduler, clock, 1.0)
    waiting_prompts(scheduler, clock, 50.0, 50.0)
    assert [length(step(scheduler, clock, 1.0)) for _ in range(4)] == [1, 3, 1, 3]


def test_prompts_of_equal_length_share_a_limited_prefill() -> None:
    scheduler = Scheduler(Limits(8, prompt_positions=7))
    requests = [fake_request([1] * length, 9) for length in (3, 4, 3, 3, 8)]
    for request in requests:
        scheduler.add(request)
    a, b, c, d, e = requests
    batches = [step(scheduler, Clock(), 0.0) for _ in range(8)]
    assert [batch.requests for batch in batches if isinstance(batch, Prefill)] == [
        (a, c),
        (b,),
        (d,),
        (e,),
    ]


async def test_one_burst_lasts_until_a_report() -> None:
    runner = FakeRunner()
    async with engine_over(runner) as engine:
        request = fake_request([5, 6], 23, report_every=5)
        pieces = [piece async for piece in engine.generate(request)]
    assert all(len(piece) % 5 == 0 for piece in pieces[:-1])
    assert [token for piece in pieces for token in piece] == fake_tokens([5, 6], 23)
    assert runner.launches == ["launch", "collect"] * (1 + 5)  # the prompt draws the first token


async def test_worker_returns_after_the_step_when_requests_change() -> None:
    runner = FakeRunner(slots=2, gate=Gate())
    async with engine_over(runner) as engine:
        long = fake_request([1, 2], 1000, report_every=1000)
        stream = engine.generate(long)
        waiting = until(lambda: len(runner.steps) == 3)
        reader = asyncio.ensure_future(anext(stream))
        runner.gate.let(2)
        await waiting
        other = asyncio.ensure_future(anext(engine.generate(fake_request([5, 6, 7], 1))))
        await asyncio.sleep(0)
        runner.gate.let(2)
        assert await other == [21]
        assert len(runner.steps) <= 5
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        assert engine.free_slots == 2
        runner.gate.let(1)
        await until(lambda: engine.running == 0)
