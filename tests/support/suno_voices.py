"""Finds Suno's own voices for tests that use them."""

from pathlib import Path

import pytest


def suno_voices() -> Path:
    """Return the folder of Suno's voices next to the repository; skip the test without it."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "voices"
    if not folder.is_dir():
        pytest.skip(f"Suno's voices are missing: there is no {folder}")
    return folder
