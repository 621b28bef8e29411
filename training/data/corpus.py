"""Utterances as tokens, by speaker, with some held back for validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import SPEAKERS, Work, shard_speaker
from training.data.teacher import load_shard

VALIDATION = 24  # utterances per speaker


@dataclass(frozen=True)
class Spoken:
    """One utterance: letters, semantic tokens, codes (frames, 4); no frames if it has no codes."""

    text: str
    semantic: NDArray[np.int64]
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Utterances by name of the speaker."""

    train: dict[str, list[Spoken]]
    validation: dict[str, list[Spoken]]


def _utterances(path: Path) -> list[Spoken]:
    shard = load_shard(path)
    codes = shard.get("codes", [np.zeros((0, 4))] * len(shard["text"]))
    return [
        Spoken(text.tobytes().decode("ascii"), semantic.astype(np.int64), rows.astype(np.int64))
        for text, semantic, rows in zip(shard["text"], shard["semantic"], codes, strict=True)
    ]


def load_corpus(work: Work, stage: str = "codes") -> Corpus:
    """Load all shards of a stage (codes or pronounced); each speaker's first ones validate."""
    spoken: dict[str, list[Spoken]] = {speaker.name: [] for speaker in SPEAKERS}
    for path in work.shards(stage):
        spoken[shard_speaker(int(path.stem)).name] += _utterances(path)
    return Corpus(
        {name: every[VALIDATION:] for name, every in spoken.items()},
        {name: every[:VALIDATION] for name, every in spoken.items()},
    )
