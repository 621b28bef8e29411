"""Releases: one version everywhere, and the notes of a version from the changelog."""

from tools.release import notes, versions

CHANGELOG = """# Changelog

## [Unreleased]

- Next.

## [1.1.0] - 2026-11-01

### Added

- More.

## [1.0.0] - 2026-10-01

- First.

[1.0.0]: https://example.org
"""


def test_versions_agree_everywhere() -> None:
    assert len(set(versions().values())) == 1, versions()


def test_notes_are_the_section_of_the_version() -> None:
    assert notes(CHANGELOG, "1.1.0") == "### Added\n\n- More."
    assert notes(CHANGELOG, "1.0.0") == "- First."


def test_notes_are_empty_without_a_section() -> None:
    assert notes(CHANGELOG, "2.0.0") == ""
