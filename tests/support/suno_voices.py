"""Where Suno's own voices are, for tests that want the real ones."""

from pathlib import Path

import pytest


def suno_voices() -> Path:
    """The folder of Suno's own voices (.npz), beside the repository; skips where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "voices"
    if not folder.is_dir():
        pytest.skip(f"Suno's voices are not here: {folder} is absent")
    return folder
