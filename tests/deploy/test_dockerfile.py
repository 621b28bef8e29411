"""services/Dockerfile: what the image is built from."""

import re
from pathlib import Path

DOCKERFILE = Path(__file__).parents[2] / "services/Dockerfile"


def test_base_image_is_pinned_by_digest() -> None:
    """A tag names another image after each of its updates; a digest never does."""
    stages: set[str] = set()
    for line in re.findall(r"^FROM (.+)$", DOCKERFILE.read_text(), re.MULTILINE):
        image, _, stage = line.partition(" AS ")
        assert image in stages or re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)
        stages.add(stage)
    assert len(stages) >= 3
