"""The path of speech through a text: found where it is plain to see, the same however its rows
come, never going back.
"""

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


def attention(places: list[int], width: int, noise: float = 0.2) -> np.ndarray:
    """Rows that look at these places, and a little elsewhere."""
    rows = RANDOM.dirichlet(np.ones(width), len(places)) * noise
    rows[np.arange(len(places)), places] += 1 - noise
    return rows.astype(np.float32)


def reading(width: int, pace: float = 4.0) -> list[int]:
    """Places of tokens that read a text at about this pace."""
    lengths = RANDOM.integers(1, int(2 * pace), width)
    return np.repeat(np.arange(width), lengths).tolist()


def aligned(rows: np.ndarray, lag: int = 0, parts: int = 1, tokens: int | None = None) -> list[int]:
    tokens = len(rows) if tokens is None else tokens
    alignment = TokenAlignment(rows.shape[1], lag, rows.shape[1] - 1, 0, 1000)
    steps, places = [], []
    for part in np.array_split(np.arange(tokens), parts):
        steps.append(rows[None, part])
        alignment.add_attention(steps)
        assert alignment.push(len(part)) == len(part)
        places += alignment.certain()
    return places + alignment.rest()


def test_a_plain_path_is_found() -> None:
    places = reading(30)
    assert aligned(attention(places, 30)) == places


def test_a_head_that_looks_away_for_a_moment_is_not_believed() -> None:
    places = reading(30)
    looks = places.copy()
    looks[40:43] = [2, 2, 29]
    found = aligned(attention(looks, 30))
    assert np.abs(np.array(found) - places).max() <= 1


@pytest.mark.parametrize("lag", [-5, 0, 1, 3])
def test_a_lag_is_made_good(lag: int) -> None:
    places = reading(20)
    looks = [places[min(max(0, row - lag), len(places) - 1)] for row in range(len(places))]
    found = aligned(attention(looks, 20), lag)
    inside = slice(max(0, -lag), len(places) - max(0, lag))
    assert found[inside] == places[inside]


@settings(deadline=None)
@given(ROWS, st.integers(-4, 4), st.integers(1, 9))
def test_any_rows_in_any_parts_give_one_path_that_never_goes_back(
    rows: np.ndarray, lag: int, parts: int
) -> None:
    whole = aligned(rows, lag)
    assert len(whole) == len(rows)
    assert all(0 <= on <= MAX_ADVANCE for on in np.diff([0, *whole]))
    assert aligned(rows, lag, min(parts, len(rows))) == whole


@pytest.mark.parametrize("lag", [-4, 0, 1])
def test_tokens_that_were_produced_elsewhere_are_known_before_their_rows(lag: int) -> None:
    rows = attention(reading(12), 12)
    alignment = TokenAlignment(12, lag, 11, 0, 1000)
    assert alignment.push(30) == 30
    alignment.add_attention([rows[None]])
    alignment.push(len(rows) - 30)
    assert alignment.certain() + alignment.rest() == aligned(rows, lag)


def test_places_are_told_before_the_end() -> None:
    path = MonotonePath(30)
    places = reading(30)
    told: list[int] = []
    behind = []
    for token, row in enumerate(attention(places, 30), 1):
        path.push(row)
        told += path.certain()
        behind.append(token - len(told))
    assert told == places[: len(told)]
    assert np.median(behind) <= 8


@settings(deadline=None)
@given(ROWS, st.integers(0, 9), st.lists(st.integers(1, 7), max_size=9))
def test_none_waits_longer_than_allowed_and_parts_change_nothing(
    rows: np.ndarray, most: int, asks: list[int]
) -> None:
    whole, asked = MonotonePath(rows.shape[1], most), MonotonePath(rows.shape[1], most)
    told: list[int] = []
    for token, row in enumerate(rows):
        whole.push(row)
        asked.push(row)
        if token % 7 in asks:
            told += asked.certain()
            assert len(told) >= token + 1 - most
    assert whole.certain() + whole.rest() == told + asked.certain() + asked.rest()
    assert told == sorted(told)


@pytest.mark.parametrize("lag", [-2, 0, 1])
@pytest.mark.parametrize("parts", [1, 7, 60])
def test_a_tail_that_goes_on_is_cut_at_the_same_token_however_they_come(
    lag: int, parts: int
) -> None:
    places = [*range(10), *[9] * 50]
    rows = attention(places, 10, 0.0)[None]
    alignment = TokenAlignment(10, lag, last=8, max_tail=20, max_tokens=1000)
    kept = 0
    for part in np.array_split(np.arange(60), parts):
        alignment.add_attention([rows])  # as many as may be there: a step may be in flight
        kept += alignment.push(len(part))
    assert kept == 8 - lag + 20 + max(0, lag)
    assert alignment.full
    assert len(alignment.certain() + alignment.rest()) == kept


def test_the_head_that_reads_is_chosen_and_its_lag_is_seen() -> None:
    sentences = []
    for width in (20, 30, 25):
        places = [*[0] * LEAD, *reading(width), *[width - 1] * TAIL]
        ahead = [places[min(row + 6, len(places) - 1)] for row in range(len(places))]
        still = [width // 2] * len(places)
        anywhere = RANDOM.integers(0, width, len(places)).tolist()
        heads = [attention(each, width) for each in (still, anywhere, places[::-1])]
        sentences.append(np.stack([*heads, attention(ahead, width)]))
    chosen = choose_head(sentences, heads=2)
    assert (chosen.layer, chosen.head) == (1, 1)
    assert abs(chosen.lag + 6) <= 2
    assert isinstance(chosen, AlignmentHead)
