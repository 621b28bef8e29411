"""Progress by slot: what is recorded, reported and counted as output, for all rows at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.engine.batch import Batch
from barkserve.engine.playback import Playback
from barkserve.engine.progress import Progress
from barkserve.engine.request import Request
from tests.support.batches import as_drawn
from tests.support.fakes import fake_request


def finish(progress: Progress, batch: Batch, tokens: list[list[int]], now: float) -> list[Request]:
    progress.record(batch, as_drawn(tokens), 0.0)
    return [request for request, _ in progress.due(now)]


@pytest.mark.parametrize(
    ("ahead_s", "sizes"),
    [
        (math.inf, [5] * 6),
        (10.0, [5] * 6),
        (0.6, [5, 20, 5]),  # 0.5 s are 0.2 s beyond half of it: the second waits for 0.04 s
        (0.4, [5, 25]),
    ],
)
def test_stream_ahead_of_its_player_gets_larger_reports(ahead_s: float, sizes: list[int]) -> None:
    """After the first report the player has 0.5 s of audio. A burst of 5 tokens takes 10 ms."""
    playback = Playback(rate=10.0)
    request = fake_request([1], 30, report_every=5, ahead_s=ahead_s, playback=playback)
    progress, got, now = Progress(1), list[int](), 100.0
    progress.start(request, 0)
    for burst in range(6):
        now = 100.0 + 0.01 * burst
        before = len(request.tokens)
        batch = progress.launch_burst(np.array([0]), 5)
        for due in finish(progress, batch, [[*range(5 * burst, 5 * burst + 5)]], now):
            got.append(len(due.tokens) - before)
    assert got == sizes
    assert request.tokens == list(range(30))


def test_held_tokens_are_reported_before_the_player_underruns() -> None:
    request = fake_request([1], 99, report_every=5, ahead_s=0.3, playback=Playback(10.0))
    progress = Progress(1)
    progress.start(request, 0)
    times = [100.0, 100.0, 100.1, 100.19, 100.21, 100.3]
    for burst, now in enumerate(times):
        batch = progress.launch_burst(np.array([0]), 5)
        finish(progress, batch, [[burst] * 5], now)
    assert len(request.tokens) == 25  # 5 at first, and 20 more when 0.29 s of audio were left


BURSTS = st.lists(st.integers(1, 9), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 7), st.none() | st.integers(0, 40)),
        min_size=1,
        max_size=6,
    ),
    bursts=BURSTS,
)
def test_rows_report_their_own_tokens(
    rows: list[tuple[int, int, int | None]], bursts: list[int]
) -> None:
    """Against a plain count, row by row: token number n of every row is n."""
    progress, requests = Progress(len(rows)), list[Request]()
    for slot, (limit, every, stop) in enumerate(rows):
        requests.append(fake_request([1], limit, report_every=every, stop_token=stop))
        requests[-1].slot = slot
        progress.start(requests[-1], slot)
    drawn = [0] * len(rows)
    running = set(range(len(rows)))
    for steps in bursts:
        slots = progress.decoding()
        assert set(slots.tolist()) == running
        if not running:
            break
        batch, tokens = progress.launch_burst(slots, steps), list[list[int]]()
        for slot in slots.tolist():
            limit, _, stop = rows[slot]
            last = min(limit - 1, limit if stop is None else stop)
            tokens.append(list(range(drawn[slot], min(drawn[slot] + steps, last + 1))))
            drawn[slot] += len(tokens[-1])
        progress.record(batch, as_drawn(tokens), 0.0)
        for request, ended in progress.due(1.0):
            if ended:
                running.remove(request.slot)
                progress.end(request.slot)
        for slot, (_, every, stop) in enumerate(rows):
            kept = drawn[slot] - (stop is not None and drawn[slot] == stop + 1)
            whole = kept if slot not in running else kept - kept % every
            assert requests[slot].tokens == list(range(whole))


def test_tokens_of_an_aborted_row_do_not_reach_its_slot() -> None:
    progress, old, new = Progress(1), fake_request([1], 9), fake_request([1], 9)
    progress.start(old, 0)
    batch = progress.launch_burst(np.array([0]), 3)
    progress.end(0)
    progress.start(new, 0)
    assert finish(progress, batch, [[7, 8, 9]], 1.0) == []
    assert (old.tokens, new.tokens) == ([], [])
