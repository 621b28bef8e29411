"""Text in languages that a checkpoint does not speak."""

import pytest

from barkserve.orchestrator.text.unknown_language import unknown_language

SUNO = ["de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh"]


@pytest.mark.parametrize(
    ("text", "language", "languages", "found"),
    [
        ("Say \u4f60\u597d now", "", ["en"], "\u4f60\u597d"),
        (
            "\u041f\u0440\u0438\u0432\u0435\u0442 2",
            "",
            ["en"],
            "\u041f\u0440\u0438\u0432\u0435\u0442",
        ),
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u4f60\u597d", "", SUNO, None),
        ("\u05e9\u05dc\u05d5\u05dd", "", SUNO, "\u05e9\u05dc\u05d5\u05dd"),
        ("Hallo Welt", "de-DE", ["en"], "Hallo Welt"),
        ("Hello", "en-GB", ["en"], None),
        ("Hallo", "de", [], None),
        ("\u00e9tude, \u03c0, \u0394t, 5 \u00b5m", "", ["en"], None),
    ],
)
def test_unknown_language_finds_the_first(
    text: str, language: str, languages: list[str], found: str | None
) -> None:
    unknown = unknown_language(text, language, languages)
    assert (unknown and text[unknown.start : unknown.end]) == found
