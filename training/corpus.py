"""Utterances as tokens, by speaker, with some held back for validation. Knows no network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import SPEAKERS, Work, shard_speaker
from training.teacher import load_shard

VALIDATION = 24  # utterances of a speaker


@dataclass(frozen=True)
class Spoken:
    """One utterance: letters, semantic tokens, codes (frames, 4)."""

    text: str
    semantic: NDArray[np.int64]
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Utterances by speaker's name."""

    train: dict[str, list[Spoken]]
    validation: dict[str, list[Spoken]]


def load_corpus(work: Work) -> Corpus:
    """All shards that were encoded; the first utterances of each speaker validate."""
    spoken: dict[str, list[Spoken]] = {speaker.name: [] for speaker in SPEAKERS}
    for path in work.shards("codes"):
        shard = load_shard(path)
        columns = zip(shard["text"], shard["semantic"], shard["codes"], strict=True)
        spoken[shard_speaker(int(path.stem)).name] += [
            Spoken(text.tobytes().decode("ascii"), *(part.astype(np.int64) for part in parts))
            for text, *parts in columns
        ]
    return Corpus(
        {name: every[VALIDATION:] for name, every in spoken.items()},
        {name: every[:VALIDATION] for name, every in spoken.items()},
    )
