"""Lost, repeated and wrong samples are counted separately and exactly."""

import numpy as np
import pytest

from tools.chaos.comparison import Difference, Samples, compare

REFERENCE: Samples = np.random.default_rng(3).integers(-20_000, 20_000, 5000).astype(np.int16)


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (REFERENCE, Difference()),
        (REFERENCE + np.int16(1), Difference()),
        (REFERENCE[:0], Difference(lost=5000)),
        (REFERENCE[:3000], Difference(lost=2000)),
        (REFERENCE[700:], Difference(lost=700)),
        (joined(REFERENCE[:2000], REFERENCE[2480:]), Difference(lost=480)),
        (joined(REFERENCE[:2000], REFERENCE[1520:]), Difference(repeated=480)),
        (joined(REFERENCE, REFERENCE[-480:]), Difference(repeated=480)),
        (joined(REFERENCE[:1000], REFERENCE[1000:1300] ^ 64, REFERENCE[1300:]),
         Difference(wrong=300)),
        (joined(REFERENCE, REFERENCE[:10] ^ 64), Difference(wrong=10)),
        (joined(REFERENCE[:900], REFERENCE[910:2000], REFERENCE[1980:]),
         Difference(lost=10, repeated=20)),
    ],
)  # fmt: skip
def test_compare_counts_each_kind_apart(received: Samples, expected: Difference) -> None:
    assert compare(received, REFERENCE) == expected


def test_compare_ignores_the_position_within_silence() -> None:
    """A gap of silence that is cut short counts as lost samples only."""
    silence = np.zeros(3000, np.int16)
    reference = joined(REFERENCE, silence, REFERENCE[::-1])
    received = joined(REFERENCE, silence[:2500], REFERENCE[::-1])
    assert compare(received, reference) == Difference(lost=500)
