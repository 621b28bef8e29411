"""Draws are a pure function of (seed, stream, position)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.engine.draws import philox4x32, uniforms

SEEDS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (
            (0x00000000, 0x00000000, 0x00000000, 0x00000000),
            (0x00000000, 0x00000000),
            (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        ),
        (
            (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
            (0xFFFFFFFF, 0xFFFFFFFF),
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_known_answers_of_random123(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    words = philox4x32(np.array(counter, dtype=np.uint64)[:, None], key)
    assert tuple(map(int, words[:, 0])) == expected


def test_the_draws_of_a_seed_never_change() -> None:
    """These numbers are in every seeded utterance that anybody kept."""
    first = 0x6627E8D5 >> 8  # of the known answer for zeros
    assert uniforms(0, 0, 0, 1)[0] == np.float32(first / 2**24)
    counters = np.array([[3], [0], [2], [0]], dtype=np.uint64)
    word = int(philox4x32(counters, (5, 7))[0, 0])
    assert uniforms((7 << 32) + 5, 2, 3, 1)[0] == np.float32((word >> 8) / 2**24)


@given(
    seed=SEEDS,
    stream=st.integers(0, 2**32 - 1),
    first=st.integers(0, 2**40),
    count=st.integers(0, 64),
    cut=st.integers(0, 64),
)
def test_draws_do_not_depend_on_where_the_asking_starts(
    seed: int, stream: int, first: int, count: int, cut: int
) -> None:
    whole = uniforms(seed, stream, first, count)
    cut = min(cut, count)
    parts = [uniforms(seed, stream, first, cut), uniforms(seed, stream, first + cut, count - cut)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@given(seed=SEEDS)
def test_draws_are_below_one(seed: int) -> None:
    draws = uniforms(seed, 1, 0, 256)
    assert draws.dtype == np.float32
    assert draws.min() >= 0.0
    assert draws.max() < 1.0


def test_the_largest_draw_is_below_one_in_float32() -> None:
    assert np.float32(0xFFFFFFFF >> 8) * np.float32(2.0**-24) < 1.0


@pytest.mark.parametrize("other", [(1, 1), (0, 2), (2**32, 1), (2**63, 1)])
def test_seeds_and_streams_have_draws_of_their_own(other: tuple[int, int]) -> None:
    ours, theirs = uniforms(0, 1, 0, 1000), uniforms(*other, 0, 1000)
    assert (ours == theirs).mean() < 0.01
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.15


def test_draws_are_spread_evenly() -> None:
    counts, _ = np.histogram(uniforms(42, 1, 0, 100_000), bins=20, range=(0, 1))
    assert ((counts - 5000) ** 2 / 5000).sum() < 60  # chi-square of 19 degrees: p < 1e-5
