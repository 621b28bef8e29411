"""The alignment of letters with phones."""

import numpy as np

from training.data.alignment import align


def test_align_learns_a_regular_spelling() -> None:
    generator = np.random.default_rng(0)
    phones = [generator.integers(0, 20, generator.integers(4, 12)) for _ in range(300)]
    texts = [(row + 10).tolist() for row in phones]
    paths = align(texts, phones)
    right = [path == np.arange(len(path)) for path in paths]
    assert np.concatenate(right).mean() > 0.95
