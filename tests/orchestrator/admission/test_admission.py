"""Admission of streams, with a capacity that the test sets."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from math import inf

import pytest

from barkserve.errors import Overloaded
from barkserve.orchestrator.admission.admission import StreamAdmission
from barkserve.orchestrator.admission.capacity import Capacity
from barkserve.orchestrator.admission.ramp import STEP_S
from barkserve.orchestrator.admission.stream import SECONDS_PER_CHARACTER
from barkserve.serving import caller
from tests.support.fakes import until

LONG = 100_000  # characters


@contextmanager
def calling_as(name: str) -> Iterator[None]:
    token = caller.current.set(caller.Caller(name))
    try:
        yield
    finally:
        caller.current.reset(token)


def admission(capacity: Capacity, max_streams: int = 64, queue_s: float = 0.0) -> StreamAdmission:
    return StreamAdmission(max_streams, lambda: capacity, queue_s)


async def accept(
    at: StreamAdmission,
    stack: AsyncExitStack,
    name: str = "a",
    n: int = 1,
    *,
    resumed: bool = False,
) -> None:
    with calling_as(name):
        for _ in range(n):
            await stack.enter_async_context(at.stream(LONG, resumed=resumed))


async def refusal(at: StreamAdmission, name: str = "a") -> Overloaded:
    with pytest.raises(Overloaded) as raised:
        async with AsyncExitStack() as stack:
            await accept(at, stack, name)
    return raised.value


async def test_stream_beyond_the_measured_rate_is_refused() -> None:
    at = admission(Capacity(3.9, rate=4, stage="coarse"))
    async with AsyncExitStack() as stack:
        await accept(at, stack, n=3)
        error = await refusal(at)
        assert "3 streams run, and the coarse stage serves 3.9" in str(error)
        assert at.active == 3
    assert (at.active, at.taken) == (0, 3)


async def test_first_stream_is_accepted_at_any_rate() -> None:
    at = admission(Capacity(1, rate=0.2))
    async with AsyncExitStack() as stack:
        await accept(at, stack)
        await refusal(at)


async def test_streams_of_other_orchestrators_count() -> None:
    at = admission(Capacity(4, elsewhere=3))
    async with AsyncExitStack() as stack:
        await accept(at, stack)
        assert "4 streams run" in str(await refusal(at))
    full = admission(Capacity(4, elsewhere=4))
    await refusal(full)


async def test_fast_stream_needs_the_capacity_of_two() -> None:
    at = admission(Capacity(4, stage="coarse"))
    async with at.stream(LONG, speaking_rate=2), at.stream(LONG, speaking_rate=0.5):
        with pytest.raises(Overloaded, match="less 2 for fast speech:") as raised:
            await at.stream(LONG, speaking_rate=2).__aenter__()
        assert "2 streams run, and the coarse stage serves 4.0 in real time" in str(raised.value)
        async with at.stream(LONG):
            assert at.active == 3


async def test_fast_stream_counts_once_without_capacity() -> None:
    at = admission(Capacity(inf), max_streams=2)
    async with at.stream(LONG, speaking_rate=2), at.stream(LONG, speaking_rate=2):
        assert at.active == 2


async def test_max_streams_is_a_hard_limit() -> None:
    at = admission(Capacity(inf), max_streams=2)
    async with AsyncExitStack() as stack:
        await accept(at, stack, n=2)
        error = await refusal(at)
        assert "2 streams and its limit is 2" in str(error)
        assert "--max-streams" in str(error)


async def test_retry_delay_is_when_room_is_expected() -> None:
    at = admission(Capacity(2, rate=4))  # each stream gets 2 s of audio per second
    async with at.stream(round(20 / SECONDS_PER_CHARACTER)), at.stream(LONG):
        assert (await refusal(at)).retry_after_s == pytest.approx(10, abs=0.2)
        assert (await refusal(at)).retry_after_s == 60  # the second waits for the long stream


async def test_waiting_stream_gets_the_next_room() -> None:
    at = admission(Capacity(1), queue_s=30)
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        with calling_as("a"):
            await first.enter_async_context(at.stream(10))
        waiting = asyncio.create_task(accept(at, second))
        await until(lambda: at.waiting == 1)
        await first.aclose()
        await waiting
        assert (at.active, at.waiting) == (1, 0)


async def test_stream_does_not_wait_if_room_is_too_far() -> None:
    at = admission(Capacity(1), queue_s=30)
    async with AsyncExitStack() as stack:
        await accept(at, stack)
        await refusal(at)
        assert (at.waiting, at.unmet) == (0, 1)


async def test_waiting_stream_is_refused_in_the_end() -> None:
    at = admission(Capacity(1), queue_s=0.2)
    async with at.stream(1):
        await refusal(at)
        assert at.waiting == 0


async def test_cancelled_waiting_stream_leaves_the_queue() -> None:
    at = admission(Capacity(1), queue_s=30)
    async with AsyncExitStack() as stack, at.stream(1):
        waiting = asyncio.create_task(accept(at, stack))
        await until(lambda: at.waiting == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (at.active, at.waiting) == (1, 0)
    assert at.active == 0


async def test_caller_without_streams_is_served_first() -> None:
    at = admission(Capacity(2), queue_s=30)
    served: list[str] = []

    async def speak(name: str) -> None:
        with calling_as(name):
            async with at.stream(1):
                served.append(name)
                await asyncio.sleep(0)

    async with AsyncExitStack() as first, AsyncExitStack() as second:
        with calling_as("greedy"):
            await first.enter_async_context(at.stream(1))
            await second.enter_async_context(at.stream(1))
        greedy = [asyncio.create_task(speak("greedy")) for _ in range(3)]
        await until(lambda: at.waiting == 3)
        polite = asyncio.create_task(speak("polite"))
        await until(lambda: at.waiting == 4)
        await first.aclose()
        await polite
        assert served[0] == "polite"
        await second.aclose()
        await asyncio.gather(*greedy)


async def test_greedy_caller_leaves_room_for_a_polite_one() -> None:
    at = admission(Capacity(4))
    async with AsyncExitStack() as greedy:
        async with AsyncExitStack() as polite:
            await accept(at, polite, "polite")
        await accept(at, greedy, "greedy", n=3)
        for _ in range(20):
            assert "greedy runs 3 streams" in str(await refusal(at, "greedy"))
            async with AsyncExitStack() as polite:
                await accept(at, polite, "polite")


async def test_resumed_stream_uses_the_reserve() -> None:
    at = admission(Capacity(2, rate=3))
    async with AsyncExitStack() as stack:
        await accept(at, stack, n=2)
        await refusal(at)
        await accept(at, stack, resumed=True)
        assert (at.active, at.resumed) == (3, 1)


async def test_resumed_stream_is_accepted_before_waiting_ones() -> None:
    at = admission(Capacity(1, rate=1), queue_s=30)
    async with AsyncExitStack() as first, AsyncExitStack() as second, AsyncExitStack() as third:
        with calling_as("a"):
            await first.enter_async_context(at.stream(10))
        new = asyncio.create_task(accept(at, second))
        await until(lambda: at.waiting == 1)
        cut = asyncio.create_task(accept(at, third, resumed=True))
        await until(lambda: at.waiting == 2)
        await first.aclose()
        await cut
        assert (at.active, at.waiting, new.done()) == (1, 1, False)
        await third.aclose()
        await new


async def test_resumed_streams_beyond_the_share_have_no_priority() -> None:
    """A caller cannot get more than its share by claiming that its streams were cut."""
    at = admission(Capacity(4, rate=5))
    async with AsyncExitStack() as stack:
        await accept(at, stack, "polite")
        await accept(at, stack, "greedy", n=2, resumed=True)
        with pytest.raises(Overloaded, match="kept for 1 other"):
            await accept(at, stack, "greedy", resumed=True)
        await accept(at, stack, "polite")


async def test_streams_grow_in_steps_beyond_the_assumed_ones() -> None:
    at = admission(Capacity(8, rate=9, stage="coarse", assumed=2))
    async with AsyncExitStack() as stack:
        await accept(at, stack, n=2)
        error = await refusal(at)
        assert error.retry_after_s == STEP_S
        assert "--assumed-streams" in str(error)
        await accept(at, stack, resumed=True)  # ran before
