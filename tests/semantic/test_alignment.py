"""The path of speech through a text is monotonic and does not depend on batching."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from barkserve.checkpoint.bark_config import AlignmentHead
from barkserve.semantic.alignment import MAX_ADVANCE, MonotonePath, TokenAlignment
from barkserve.semantic.alignment_head import LEAD, TAIL, choose_head

RANDOM = np.random.default_rng(0)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 12))
ELEMENTS = st.floats(0, 1, width=32)
ROWS = SHAPES.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=ELEMENTS))


def attention(positions: list[int], width: int, noise: float = 0.2) -> np.ndarray:
    """Make attention rows with peaks at these positions."""
    rows = RANDOM.dirichlet(np.ones(width), len(positions)) * noise
    rows[np.arange(len(positions)), positions] += 1 - noise
    return rows.astype(np.float32)


def reading(width: int, pace: float = 4.0) -> list[int]:
    """Draw positions of tokens that read a text at about this rate."""
    lengths = RANDOM.integers(1, int(2 * pace), width)
    return np.repeat(np.arange(width), lengths).tolist()


def aligned(rows: np.ndarray, lag: int = 0, parts: int = 1, tokens: int | None = None) -> list[int]:
    tokens = len(rows) if tokens is None else tokens
    alignment = TokenAlignment(rows.shape[1], lag, rows.shape[1] - 1, 0, 1000)
    steps, positions = [], []
    for part in np.array_split(np.arange(tokens), parts):
        steps.append(rows[None, part])
        alignment.add_attention(steps)
        assert alignment.push(len(part)) == len(part)
        positions += alignment.certain()
    return positions + alignment.rest()


def test_path_follows_a_clear_diagonal() -> None:
    positions = reading(30)
    assert aligned(attention(positions, 30)) == positions


def test_path_ignores_a_short_distraction() -> None:
    positions = reading(30)
    looks = positions.copy()
    looks[40:43] = [2, 2, 29]
    found = aligned(attention(looks, 30))
    assert np.abs(np.array(found) - positions).max() <= 1


@pytest.mark.parametrize("lag", [-5, 0, 1, 3])
def test_path_corrects_the_lag(lag: int) -> None:
    positions = reading(20)
    looks = [positions[min(max(0, row - lag), len(positions) - 1)] for row in range(len(positions))]
    found = aligned(attention(looks, 20), lag)
    inside = slice(max(0, -lag), len(positions) - max(0, lag))
    assert found[inside] == positions[inside]


@settings(deadline=None)
@given(ROWS, st.integers(-4, 4), st.integers(1, 9))
def test_path_is_monotonic_and_independent_of_splits(
    rows: np.ndarray, lag: int, parts: int
) -> None:
    whole = aligned(rows, lag)
    assert len(whole) == len(rows)
    assert all(0 <= on <= MAX_ADVANCE for on in np.diff([0, *whole]))
    assert aligned(rows, lag, min(parts, len(rows))) == whole


@pytest.mark.parametrize("lag", [-4, 0, 1])
def test_produced_tokens_can_precede_their_rows(lag: int) -> None:
    rows = attention(reading(12), 12)
    alignment = TokenAlignment(12, lag, 11, 0, 1000)
    assert alignment.push(30) == 30
    alignment.add_attention([rows[None]])
    alignment.push(len(rows) - 30)
    assert alignment.certain() + alignment.rest() == aligned(rows, lag)


def test_positions_are_reported_before_the_end() -> None:
    path = MonotonePath(30)
    positions = reading(30)
    reported: list[int] = []
    delays = []
    for token, row in enumerate(attention(positions, 30), 1):
        path.push(row)
        reported += path.certain()
        delays.append(token - len(reported))
    assert reported == positions[: len(reported)]
    assert np.median(delays) <= 8


@settings(deadline=None)
@given(ROWS, st.integers(0, 9), st.lists(st.integers(1, 7), max_size=9))
def test_position_is_reported_within_max_pending(
    rows: np.ndarray, most: int, asks: list[int]
) -> None:
    whole, incremental = MonotonePath(rows.shape[1], most), MonotonePath(rows.shape[1], most)
    reported: list[int] = []
    for token, row in enumerate(rows):
        whole.push(row)
        incremental.push(row)
        if token % 7 in asks:
            reported += incremental.certain()
            assert len(reported) >= token + 1 - most
    assert whole.certain() + whole.rest() == reported + incremental.certain() + incremental.rest()
    assert reported == sorted(reported)


@pytest.mark.parametrize("lag", [-2, 0, 1])
@pytest.mark.parametrize("parts", [1, 7, 60])
def test_tail_is_cut_at_the_same_token_for_any_split(lag: int, parts: int) -> None:
    positions = [*range(10), *[9] * 50]
    rows = attention(positions, 10, 0.0)[None]
    alignment = TokenAlignment(10, lag, last=8, max_tail=20, max_tokens=1000)
    kept = 0
    for part in np.array_split(np.arange(60), parts):
        alignment.add_attention([rows])  # a step can be running
        kept += alignment.push(len(part))
    assert kept == 8 - lag + 20 + max(0, lag)
    assert alignment.full
    assert alignment.sendable == 8 - lag + 20 // 4
    assert len(alignment.certain() + alignment.rest()) == kept


def test_choose_head_finds_the_reading_head_and_its_lag() -> None:
    sentences = []
    for width in (20, 30, 25):
        positions = [*[0] * LEAD, *reading(width), *[width - 1] * TAIL]
        ahead = [positions[min(row + 6, len(positions) - 1)] for row in range(len(positions))]
        still = [width // 2] * len(positions)
        anywhere = RANDOM.integers(0, width, len(positions)).tolist()
        heads = [attention(each, width) for each in (still, anywhere, positions[::-1])]
        sentences.append(np.stack([*heads, attention(ahead, width)]))
    chosen = choose_head(sentences, heads=2)
    assert (chosen.layer, chosen.head) == (1, 1)
    assert abs(chosen.lag + 6) <= 2
    assert isinstance(chosen, AlignmentHead)
