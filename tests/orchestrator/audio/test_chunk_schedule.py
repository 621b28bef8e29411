"""Chunk sizes: they grow, and a player never underruns while audio is held."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.orchestrator.audio.chunk_schedule import MARGIN_S, ChunkSchedule
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.v1 import speech_pb2

RATE = 1_000  # one sample per millisecond


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def schedule(
    first_ms: int, chunk_ms: int | None, clock: Clock, trail_s: float = 0
) -> ChunkSchedule:
    chunk_s = None if chunk_ms is None else chunk_ms / 1000
    output = OutputFormat(speech_pb2.AUDIO_ENCODING_PCM16, RATE, first_ms / 1000, chunk_s)
    return ChunkSchedule(output, trail_s, clock)


def silence(samples: int) -> np.ndarray:
    return np.zeros(samples, dtype=np.float32)


@pytest.mark.parametrize(
    ("first_ms", "chunk_ms", "sizes"),
    [
        (0, None, [1000]),  # all that is available
        (100, None, [100, 900]),
        (0, 400, [400, 400, 200]),
        (50, 400, [50, 100, 200, 400, 250]),
        (300, 20, [300] + 35 * [20]),
    ],
)
def test_chunks_grow_to_the_full_size(
    first_ms: int, chunk_ms: int | None, sizes: list[int]
) -> None:
    chunks = schedule(first_ms, chunk_ms, Clock())
    cut = chunks.push(silence(1000)) + chunks.flush()
    assert [len(chunk) for chunk in cut] == sizes


def test_chunks_grow_from_the_first_size_if_unset() -> None:
    chunks = schedule(0, 400, Clock())
    assert [len(chunk) for chunk in chunks.push(silence(60))] == [60]
    assert [len(chunk) for chunk in chunks.push(silence(70))] == []
    assert [len(chunk) for chunk in chunks.push(silence(500))] == [120, 240]


def test_nothing_is_due_before_playback_starts() -> None:
    clock = Clock()
    chunks = schedule(200, 400, clock)
    assert chunks.push(silence(100)) == []
    clock.now += 60
    assert chunks.due_in() is None


def test_held_audio_is_due_before_an_underrun() -> None:
    clock = Clock()
    chunks = schedule(200, 1000, clock)
    assert len(chunks.push(silence(200))) == 1
    assert chunks.due_in() is None  # nothing is held
    chunks.push(silence(100))
    assert chunks.due_in() == pytest.approx(0.2 - MARGIN_S)
    clock.now += 0.2 - MARGIN_S
    assert chunks.due_in() == pytest.approx(0, abs=1e-9)
    assert [len(chunk) for chunk in chunks.flush()] == [100]
    clock.now += 5  # the player has underrun: new audio is sent at once
    assert [len(chunk) for chunk in chunks.push(silence(30))] == [30]


def test_audio_is_due_earlier_if_the_encoder_holds_some() -> None:
    clock = Clock()
    chunks = schedule(200, 1000, clock, trail_s=0.1)
    chunks.push(silence(300))
    assert chunks.due_in() == pytest.approx(0.2 - MARGIN_S - 0.1)


@settings(max_examples=100, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1),
    first_ms=st.integers(0, 300),
    chunk_ms=st.integers(20, 1000),
)
def test_player_underruns_only_if_all_audio_was_sent(
    arrivals: list[tuple[int, int]], first_ms: int, chunk_ms: int
) -> None:
    """Compare with a server that holds nothing back after the first chunk."""
    clock = Clock()
    chunks = schedule(first_ms, chunk_ms, clock)
    times = list(itertools.accumulate(wait / 1000 for wait, _ in arrivals))
    start = clock.now
    sent, generated, underrun_at = 0, 0, None

    def send(cut: list[np.ndarray]) -> None:
        nonlocal sent, underrun_at
        for chunk in cut:
            sent += len(chunk)
            began = clock.now if underrun_at is None else max(underrun_at, clock.now)
            underrun_at = began + len(chunk) / RATE

    for time, (_, size) in zip(times, arrivals, strict=True):
        while (due := chunks.due_in()) is not None and clock.now + due < start + time:
            clock.now += due
            assert sent < generated
            send(chunks.flush())
        assert underrun_at is None or underrun_at >= start + time or sent == generated
        clock.now = start + time
        generated += size
        send(chunks.push(silence(size)))
    send(chunks.flush())
    assert sent == generated
