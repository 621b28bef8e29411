"""Suggestions for an unknown name: useful for typing errors, bounded work for any input."""

from collections.abc import Sequence

import pytest

from barkserve.checkpoint import similar_names as module
from barkserve.checkpoint.similar_names import (
    MAX_COMPARED_CHARACTERS,
    MAX_COMPARED_NAMES,
    similar_names,
)

PRESETS = [
    f"v2/{language}_speaker_{number}"
    for language in ("de", "en", "fr", "ja")
    for number in range(10)
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v2/en_speker_6", "v2/en_speaker_6"),
        ("v2/EN_speaker_9", "v2/en_speaker_9"),
        ("en_speaker_3", "v2/en_speaker_3"),
        ("anouncer", "announcer"),
    ],
)
def test_similar_names_finds_the_meant_name(name: str, expected: str) -> None:
    assert expected in similar_names(name, [*PRESETS, "announcer"])


@pytest.mark.parametrize("name", ["", "zzz", "\0", "\u0301" * 64, "x" * 10**6])
def test_similar_names_is_empty_for_strange_names(name: str) -> None:
    assert similar_names(name, PRESETS) == []


def test_similar_names_finds_a_name_among_thousands() -> None:
    names = [f"team{number:05}/voice" for number in range(20_000)]
    assert "team12345/voice" in similar_names("team12345/voce", names)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of every name that is compared."""
    lengths: list[int] = []
    count = module._character_pairs

    def counted(name: str) -> frozenset[str]:
        lengths.append(len(name))
        return count(name)

    monkeypatch.setattr(module, "_character_pairs", counted)
    return lengths


@pytest.mark.parametrize("names", [["y" * 10**5] * 3, [f"y{n}" for n in range(20_000)]])
@pytest.mark.parametrize("name", ["y" * 64, "a", "z", "y5", ""])
def test_similar_names_bounds_its_work(
    name: str, names: Sequence[str], compared: list[int]
) -> None:
    similar_names(name, names)
    assert 0 < len(compared) <= MAX_COMPARED_NAMES + 1
    assert max(compared) <= MAX_COMPARED_CHARACTERS


def test_similar_names_compares_nothing_with_long_names(compared: list[int]) -> None:
    similar_names("y" * (MAX_COMPARED_CHARACTERS + 1), PRESETS)
    assert compared == []
