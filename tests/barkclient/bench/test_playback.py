"""Underruns against a player that is simulated in steps of a millisecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkclient.bench.playback import is_continuous, silences_s, underrun_s
from barkclient.bench.stream import Arrival
from tests.barkclient.bench.records import SMOOTH, UNDERRUN

gaps_and_lengths_ms = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1)


def arrivals_of(gaps_and_lengths: list[tuple[int, int]]) -> list[Arrival]:
    now_ms, arrivals = 0, []
    for gap_ms, length_ms in gaps_and_lengths:
        now_ms += gap_ms
        arrivals.append(Arrival(now_ms / 1000, length_ms / 1000))
    return arrivals


def simulated_silence_ms(gaps_and_lengths: list[tuple[int, int]]) -> int:
    """Play from the first chunk to the last, one millisecond at a time."""
    (_, buffered_ms), *others = gaps_and_lengths
    silent_ms = 0
    for gap_ms, length_ms in others:
        for _ in range(gap_ms):
            silent_ms += buffered_ms == 0
            buffered_ms = max(0, buffered_ms - 1)
        buffered_ms += length_ms
    return silent_ms


def test_silence_lasts_from_underrun_to_next_chunk() -> None:
    assert silences_s(UNDERRUN) == [0.0, 0.25, 0.0]
    assert underrun_s(UNDERRUN) == 0.25
    assert underrun_s(SMOOTH) == 0


def test_late_first_chunk_is_not_an_underrun() -> None:
    assert underrun_s([Arrival(100.0, 0.5)]) == 0


def test_underruns_add_up() -> None:
    """Two underruns: 0.1 s at 0.1 s, and 0.2 s at 0.3 s."""
    arrivals = [Arrival(0.0, 0.1), Arrival(0.2, 0.1), Arrival(0.5, 0.1)]
    assert underrun_s(arrivals) == pytest.approx(0.3)
    assert not is_continuous(arrivals, 0.25)
    assert is_continuous(arrivals, 0.3)


def test_chunk_at_the_end_of_audio_is_in_time() -> None:
    """Sums of floats are not exact: 0.1 + 0.2 != 0.3."""
    assert is_continuous([Arrival(0.1, 0.2), Arrival(0.3, 0.1), Arrival(0.1 + 0.2 + 0.1, 0.1)], 0)


def test_no_audio_is_not_free_of_underrun() -> None:
    assert underrun_s([]) == 0
    assert not is_continuous([], 1.0)


@given(gaps_and_lengths_ms)
def test_underrun_equals_simulated_player(gaps_and_lengths: list[tuple[int, int]]) -> None:
    expected_ms = simulated_silence_ms(gaps_and_lengths)
    arrivals = arrivals_of(gaps_and_lengths)
    assert underrun_s(arrivals) == pytest.approx(expected_ms / 1000, abs=1e-7)
    assert is_continuous(arrivals, expected_ms / 1000)
    assert expected_ms == 0 or not is_continuous(arrivals, (expected_ms - 1) / 1000)


@given(gaps_and_lengths_ms)
def test_buffer_of_the_underrun_prevents_it(gaps_and_lengths: list[tuple[int, int]]) -> None:
    first, *others = arrivals_of(gaps_and_lengths)
    buffer_s = underrun_s([first, *others])
    assert is_continuous([Arrival(first.at_s + buffer_s, first.audio_s), *others], 0)
