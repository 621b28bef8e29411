"""The alignment of letters with phones."""

import numpy as np

from training.data.alignment import align, phone_runs


def test_phone_runs_split_at_thirds_and_phones() -> None:
    tokens = np.array([3, 4, 5, 3, 4, 9, 9])  # phone 1, phone 1 again, phone 3
    phones, index = phone_runs(tokens)
    assert phones.tolist() == [1, 1, 3]
    assert index.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_align_learns_a_regular_spelling() -> None:
    generator = np.random.default_rng(0)
    phones = [generator.integers(0, 20, generator.integers(4, 12)) for _ in range(300)]
    texts = [(row + 10).tolist() for row in phones]
    paths = align(texts, phones)
    right = [path == np.arange(len(path)) for path in paths]
    assert np.concatenate(right).mean() > 0.95
