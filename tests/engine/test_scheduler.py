"""Which requests run next, in which slot, and how they end."""

from barkserve.engine.batch import Batch, Burst, Prefill
from barkserve.engine.limits import Limits
from barkserve.engine.request import Request, State
from barkserve.engine.scheduler import Scheduler
from tests.support.batches import as_drawn, draws_of
from tests.support.fakes import fake_request


def step(scheduler: Scheduler, token: int = 1) -> Batch:
    """Run one batch that draws this token whenever a request draws."""
    batch = scheduler.next_batch()
    assert batch is not None
    finish(scheduler, batch, *([token] * draws for draws in draws_of(batch)))
    return batch


def finish(scheduler: Scheduler, batch: Batch, *tokens: list[int]) -> list[Request]:
    return scheduler.finish_batch(batch, as_drawn(tokens), 0.0)


def length(batch: Batch) -> int:
    """Positions of each row: 1 for a burst of one step."""
    return int(batch.lengths[0]) if isinstance(batch, Prefill) else 1


def with_added(slots: int, *requests: Request) -> Scheduler:
    scheduler = Scheduler(Limits(slots))
    for request in requests:
        scheduler.add(request)
    return scheduler


def test_next_batch_is_none_without_requests() -> None:
    assert Scheduler(Limits(2)).next_batch() is None


def test_scheduler_admits_in_order_of_arrival() -> None:
    requests = [fake_request([1, 2], 5) for _ in range(3)]
    scheduler = with_added(2, *requests)
    assert step(scheduler).requests == (requests[0],)
    assert [request.slot for request in requests] == [0, 1, None]
    assert (scheduler.running, scheduler.waiting, scheduler.free_slots) == (2, 1, 0)


def test_scheduler_alternates_prefills_and_decodes() -> None:
    a, b, c = (fake_request([1] * n, 9) for n in (2, 3, 4))
    scheduler = with_added(3, a, b, c)
    batches = [step(scheduler) for _ in range(6)]
    assert [batch.requests for batch in batches] == [(a,), (a,), (b,), (a, b), (c,), (a, b, c)]
    assert [length(batch) for batch in batches] == [2, 1, 3, 1, 4, 1]


def test_prompt_of_one_position_runs_with_the_decodes() -> None:
    a, b = fake_request([1, 2], 9), fake_request([3], 9)
    scheduler = with_added(2, a, b)
    step(scheduler)
    assert step(scheduler).requests == (a, b)


def test_slot_is_reused_in_the_step_after_its_request_ends() -> None:
    a, b = fake_request([1, 2], 1), fake_request([3, 4], 1)
    scheduler = with_added(1, a, b)
    step(scheduler)
    assert (a.state, a.slot, b.state) == (State.FINISHED, None, State.WAITING)
    assert step(scheduler).requests == (b,)
    assert scheduler.next_batch() is None


def test_request_aborted_during_its_step_gets_no_token() -> None:
    a, b = fake_request([1], 5), fake_request([2], 5)
    scheduler = with_added(2, a, b)
    batch = scheduler.next_batch()
    assert batch is not None
    scheduler.abort(a)
    assert finish(scheduler, batch, [7], [8]) == [b]
    assert (a.tokens, b.tokens, a.state) == ([], [8], State.ABORTED)


def test_abort_keeps_the_running_batch_unchanged() -> None:
    a, b = fake_request([1], 5), fake_request([2], 5)
    scheduler = with_added(2, a, b)
    batch = scheduler.next_batch()
    assert batch is not None
    scheduler.abort(a)
    assert (batch.requests, batch.slots.tolist()) == ((a, b), [0, 1])


def test_slot_freed_during_a_step_starts_empty() -> None:
    a, b = fake_request([1, 2], 5), fake_request([3, 4, 5], 5)
    scheduler = with_added(1, a, b)
    batch = scheduler.next_batch()
    assert batch is not None
    scheduler.abort(a)
    finish(scheduler, batch, [7])
    following = scheduler.next_batch()
    assert isinstance(following, Prefill)
    assert (following.requests, following.last) == ((b,), True)
    assert (following.starts.tolist(), following.lengths.tolist()) == ([0], [3])


def test_held_slot_is_taken_over_with_its_positions() -> None:
    first = fake_request([1, 2], 2, hold=True)
    scheduler = with_added(2, first)
    step(scheduler, token=8)
    step(scheduler, token=9)
    again = fake_request([1, 2, 8, 9], 2, continues=first)
    scheduler.add(again)
    batch = scheduler.next_batch()
    assert isinstance(batch, Burst)
    assert (batch.requests, batch.steps) == ((again,), 1)
    assert (again.slot, again.computed, first.slot) == (0, 3, None)


def test_held_slot_is_evicted_only_without_a_free_one() -> None:
    first = fake_request([1], 1, hold=True)
    scheduler = with_added(2, first)
    step(scheduler)
    second, third = fake_request([2], 9), fake_request([3], 9)
    scheduler.add(second)
    step(scheduler)
    assert (second.slot, first.slot) == (1, 0)
    scheduler.add(third)
    step(scheduler)
    assert (third.slot, first.slot) == (0, None)


def test_continued_request_is_dropped_once_running() -> None:
    first = fake_request([1], 1, hold=True)
    scheduler = with_added(1, first)
    step(scheduler, token=8)
    again = fake_request([1, 8], 1, continues=first)
    scheduler.add(again)
    step(scheduler)
    assert again.continues is None  # otherwise a long stream keeps all its windows


def test_held_slot_is_freed_when_its_continuation_is_aborted() -> None:
    first = fake_request([1], 1, hold=True)
    scheduler = with_added(2, first)
    step(scheduler)
    again = fake_request([1, 1], 1, continues=first)
    scheduler.add(again)
    scheduler.abort(again)
    other = fake_request([2], 9)
    scheduler.add(other)
    step(scheduler)
    assert (other.slot, scheduler.free_slots) == (0, 1)  # the lowest slot is not held any more


def test_abort_twice_in_any_state_frees_all_slots() -> None:
    requests = [fake_request([1, 2], 9) for _ in range(3)]
    scheduler = with_added(2, *requests)
    step(scheduler)
    for request in [*requests, *requests]:
        scheduler.abort(request)
    assert (scheduler.free_slots, scheduler.running, scheduler.waiting) == (2, 0, 0)
