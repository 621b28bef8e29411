"""Draws are a pure function of (seed, stream, position)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.engine.draws import uniforms

SEEDS = st.integers(0, 2**64 - 1)


def joined(words: tuple[int, ...]) -> int:
    """64-bit words, the lowest first, as one integer."""
    return sum(word << 64 * place for place, word in enumerate(words))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
        ),
        (
            (2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1),
            (2**64 - 1, 2**64 - 1),
            (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
        ),
        (
            (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x452821E638D01377, 0xBE5466CF34E90C6C),
            (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_numpy_gives_known_answers_of_random123(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Numpy increments the counter before each block."""
    before = (joined(counter) - 1) % 2**256
    words = np.random.Philox(key=joined(key), counter=before).random_raw(4)
    assert tuple(map(int, words)) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 0, 0), [193722, 4052523, 1869415, 9469306, 8428531]),
        ((30064771077, 2, 3), [5842057, 11260990, 2327078, 15650240]),
        ((18446744073709551615, 3, 1099511627776), [8980768, 13014814, 8836472]),
    ],
)
def test_uniforms_equal_pinned_values(arguments: tuple[int, int, int], expected: list[int]) -> None:
    """A change of these numbers changes the audio of every seed."""
    draws = uniforms(*arguments, len(expected))
    assert [float(draw) * 2**24 for draw in draws] == expected


@given(
    seed=SEEDS,
    stream=SEEDS,
    first=st.integers(0, 2**40),
    count=st.integers(0, 64),
    cut=st.integers(0, 64),
)
def test_uniforms_of_a_range_equal_those_of_its_parts(
    seed: int, stream: int, first: int, count: int, cut: int
) -> None:
    whole = uniforms(seed, stream, first, count)
    assert whole.shape == (count,)
    cut = min(cut, count)
    parts = [uniforms(seed, stream, first, cut), uniforms(seed, stream, first + cut, count - cut)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@given(seed=SEEDS, first=st.integers(0, 300), count=st.integers(0, 300))
def test_uniforms_are_a_slice_of_those_from_zero(seed: int, first: int, count: int) -> None:
    whole = uniforms(seed, 3, 0, first + count)
    np.testing.assert_array_equal(uniforms(seed, 3, first, count), whole[first:])


@given(seed=SEEDS)
def test_uniforms_are_float32_below_one(seed: int) -> None:
    draws = uniforms(seed, 1, 0, 256)
    assert draws.dtype == np.float32
    assert draws.min() >= 0.0
    assert draws.max() < 1.0


def test_largest_draw_is_below_one_in_float32() -> None:
    assert np.float32((2**64 - 1) >> 40) * np.float32(2.0**-24) < 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 1, 0, 1),
        (2**64, 1, 0, 1),
        (0, -1, 0, 1),
        (0, 2**64, 0, 1),
        (0, 1, -1, 1),
        (0, 1, 0, -1),
    ],
)
def test_uniforms_reject_arguments_out_of_range(arguments: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        uniforms(*arguments)


@pytest.mark.parametrize("other", [(1, 1), (0, 2), (2**32, 1), (2**63, 1)])
def test_seeds_and_streams_are_independent(other: tuple[int, int]) -> None:
    one, another = uniforms(0, 1, 0, 1000), uniforms(*other, 0, 1000)
    assert (one == another).mean() < 0.01
    assert abs(np.corrcoef(one, another)[0, 1]) < 0.15


def test_uniforms_are_evenly_distributed() -> None:
    counts, _ = np.histogram(uniforms(42, 1, 0, 100_000), bins=20, range=(0, 1))
    assert ((counts - 5000) ** 2 / 5000).sum() < 60  # chi-square of 19 degrees: p < 1e-5
