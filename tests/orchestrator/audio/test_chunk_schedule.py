"""Chunk sizes: the ramp, and that no player runs dry while there is something held."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.orchestrator.audio.chunk_schedule import MARGIN_S, ChunkSchedule
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.v1 import speech_pb2

RATE = 1_000  # a sample is a millisecond


class Clock:
    """A time that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def schedule(
    first_ms: int, chunk_ms: int | None, clock: Clock, trail_s: float = 0
) -> ChunkSchedule:
    chunk_s = None if chunk_ms is None else chunk_ms / 1000
    output = OutputFormat(speech_pb2.AUDIO_ENCODING_PCM16, RATE, first_ms / 1000, chunk_s)
    return ChunkSchedule(output, trail_s, clock)


def some(samples: int) -> np.ndarray:
    return np.zeros(samples, dtype=np.float32)


@pytest.mark.parametrize(
    ("first_ms", "chunk_ms", "sizes"),
    [
        (0, None, [1000]),  # as it comes
        (100, None, [100, 900]),
        (0, 400, [400, 400, 200]),
        (50, 400, [50, 100, 200, 400, 250]),
        (300, 20, [300] + 35 * [20]),
    ],
)
def test_chunks_grow_from_the_first_to_the_later_size(
    first_ms: int, chunk_ms: int | None, sizes: list[int]
) -> None:
    chunks = schedule(first_ms, chunk_ms, Clock())
    cut = chunks.push(some(1000)) + chunks.flush()
    assert [len(chunk) for chunk in cut] == sizes


def test_the_first_chunk_is_what_there_is_and_the_ramp_begins_there() -> None:
    chunks = schedule(0, 400, Clock())
    assert [len(chunk) for chunk in chunks.push(some(60))] == [60]
    assert [len(chunk) for chunk in chunks.push(some(70))] == []
    assert [len(chunk) for chunk in chunks.push(some(500))] == [120, 240]


def test_nothing_is_due_before_the_player_has_started() -> None:
    clock = Clock()
    chunks = schedule(200, 400, clock)
    assert chunks.push(some(100)) == []
    clock.now += 60
    assert chunks.due_in() is None


def test_held_audio_is_due_before_the_player_runs_dry() -> None:
    clock = Clock()
    chunks = schedule(200, 1000, clock)
    assert len(chunks.push(some(200))) == 1
    assert chunks.due_in() is None  # nothing is held
    chunks.push(some(100))
    assert chunks.due_in() == pytest.approx(0.2 - MARGIN_S)
    clock.now += 0.2 - MARGIN_S
    assert chunks.due_in() == pytest.approx(0, abs=1e-9)
    assert [len(chunk) for chunk in chunks.flush()] == [100]
    clock.now += 5  # the player has been waiting: what comes now leaves at once
    assert [len(chunk) for chunk in chunks.push(some(30))] == [30]


def test_what_the_encoder_holds_makes_audio_due_sooner() -> None:
    clock = Clock()
    chunks = schedule(200, 1000, clock, trail_s=0.1)
    chunks.push(some(300))
    assert chunks.due_in() == pytest.approx(0.2 - MARGIN_S - 0.1)


@settings(max_examples=100, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1),
    first_ms=st.integers(0, 300),
    chunk_ms=st.integers(20, 1000),
)
def test_a_player_is_dry_only_when_nothing_was_made(
    arrivals: list[tuple[int, int]], first_ms: int, chunk_ms: int
) -> None:
    """Play what leaves, against a server that holds nothing back once the first chunk is there."""
    clock = Clock()
    chunks = schedule(first_ms, chunk_ms, clock)
    moments = list(itertools.accumulate(wait / 1000 for wait, _ in arrivals))
    start = clock.now
    sent, made, dry_at = 0, 0, None

    def start_draining(segments: list[np.ndarray]) -> None:
        nonlocal sent, dry_at
        for segment in segments:
            sent += len(segment)
            began = clock.now if dry_at is None else max(dry_at, clock.now)
            dry_at = began + len(segment) / RATE

    for moment, (_, size) in zip(moments, arrivals, strict=True):
        while (due := chunks.due_in()) is not None and clock.now + due < start + moment:
            clock.now += due
            assert sent < made
            start_draining(chunks.flush())
        assert dry_at is None or dry_at >= start + moment or sent == made
        clock.now = start + moment
        made += size
        start_draining(chunks.push(some(size)))
    start_draining(chunks.flush())
    assert sent == made
