"""Finds names similar to an unknown one, with bounded work for any input."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import pairwise

MAX_COMPARED_NAMES = 256
MAX_COMPARED_CHARACTERS = 64
_MIN_SIMILARITY = 0.5


def similar_names(name: str, names: Collection[str], count: int = 3) -> list[str]:
    """Return up to `count` of the names that are similar to a name, sorted.

    Compares at most MAX_COMPARED_NAMES names: those next to `name` in alphabetical order. A name
    that is longer than MAX_COMPARED_CHARACTERS has no similar names.
    """
    if len(name) > MAX_COMPARED_CHARACTERS:
        return []
    pairs = _character_pairs(name)
    compared = _neighbors(name, sorted(names))
    ranked = sorted(((_similarity(pairs, other), other) for other in compared), reverse=True)
    return sorted(other for similarity, other in ranked[:count] if similarity >= _MIN_SIMILARITY)


def _neighbors(name: str, names: Sequence[str]) -> Sequence[str]:
    """The part of the sorted names around the place of a name."""
    middle = bisect_left(names, name)
    start = max(0, min(middle - MAX_COMPARED_NAMES // 2, len(names) - MAX_COMPARED_NAMES))
    return names[start : start + MAX_COMPARED_NAMES]


def _similarity(pairs: frozenset[str], other: str) -> float:
    """The share of character pairs that two names have in common, from 0 to 1."""
    other_pairs = _character_pairs(other[:MAX_COMPARED_CHARACTERS])
    return 2 * len(pairs & other_pairs) / max(1, len(pairs) + len(other_pairs))


def _character_pairs(name: str) -> frozenset[str]:
    folded = f" {name.lower()} "
    return frozenset(map("".join, pairwise(folded)))
