"""How the errors of a recognizer, or of anything that writes words, are counted. Pure."""

import re


def edits(a: list[str] | list[int], b: list[str] | list[int]) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != other))
    return row[-1]


def words_after(said: list[str], recognized: list[str]) -> int:
    """Return the number of recognized words after the best match of all that was said."""
    distances = [edits(said, recognized[:end]) for end in range(len(recognized) + 1)]
    return distances[::-1].index(min(distances))  # a wrong last word is wrong, not one behind


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()
