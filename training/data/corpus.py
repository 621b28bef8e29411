"""Utterances as tokens, by speaker, with some held back for validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import SPEAKERS, Work, shard_speaker
from training.data.shards import load_shard

VALIDATION = 24  # utterances per speaker


@dataclass(frozen=True)
class Spoken:
    """One utterance: letters, semantic tokens, codes (frames, books)."""

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
    rows = zip(shard["text"], shard["semantic"], shard["codes"], strict=True)
    return [
        Spoken(text.tobytes().decode("ascii"), semantic.astype(np.int64), codes.astype(np.int64))
        for text, semantic, codes in rows
    ]


def load_corpus(work: Work) -> Corpus:
    """Load all encoded shards; each speaker's first utterances validate."""
    spoken: dict[str, list[Spoken]] = {speaker.name: [] for speaker in SPEAKERS}
    for path in work.shards("codes"):
        spoken[shard_speaker(int(path.stem)).name] += _utterances(path)
    spoken = {name: every for name, every in spoken.items() if every}
    return Corpus(
        {name: every[VALIDATION:] for name, every in spoken.items()},
        {name: every[:VALIDATION] for name, every in spoken.items()},
    )
