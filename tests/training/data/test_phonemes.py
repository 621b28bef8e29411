"""Phones from a teacher's phonemes and their durations."""

import numpy as np

from training.config import PHONES
from training.data.phonemes import merged


def phones(characters: str, seconds: list[float]) -> tuple[list[str], list[float]]:
    made = merged(characters, np.array(seconds))
    return [PHONES[index] for index in made.phones], [round(end, 3) for end in made.ends.tolist()]


def test_marks_of_stress_and_length_belong_to_their_phone() -> None:
    assert phones(".bˈiːt.", [0.1, 0.1, 0.02, 0.1, 0.05, 0.1, 0.2]) == (
        ["pau", "b", "i", "t", "pau"],
        [0.1, 0.2, 0.37, 0.47, 0.67],
    )


def test_space_is_divided_among_its_neighbors() -> None:
    assert phones(".m n.", [0.1, 0.1, 0.04, 0.1, 0.1]) == (
        ["pau", "m", "n", "pau"],
        [0.1, 0.22, 0.34, 0.44],
    )


def test_punctuation_and_its_space_are_one_pause() -> None:
    assert phones(".m, n.", [0.1, 0.1, 0.2, 0.1, 0.1, 0.1]) == (
        ["pau", "m", "pau", "n", "pau"],
        [0.1, 0.2, 0.5, 0.6, 0.7],
    )
