"""Synthesize the texts with the teacher of each speaker: hibari or Kokoro.

Writes one .npz per shard, so an interrupted run can be continued.
"""

import argparse
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np

from training.config import (
    SAMPLE_RATE,
    SHARD_TEXTS,
    SPEAKER_SHARDS,
    SPEAKERS,
    Speaker,
    Work,
    shard_speaker,
)
from training.data.hibari_reader import HibariReader
from training.data.reading import Reading
from training.data.shards import save_shard


class Reader(Protocol):
    """Reads texts aloud."""

    def read(self, text: str, seed: int) -> Reading:
        """Synthesize one sentence of lower-case letters."""
        ...


def reader_of(speaker: Speaker, work: Work) -> Reader:
    """Return the teacher of a speaker."""
    if speaker.teacher == "hibari":
        return HibariReader()
    from training.data.kokoro_reader import KokoroReader  # its packages are large

    return KokoroReader(speaker.teacher, work.root / "kokoro")


def read_shard(work: Work, index: int) -> str:
    """Synthesize the texts of a shard, unless it exists; return a log line."""
    path = work.shard("teacher", index)
    if path.exists():
        return f"{path.name} exists"
    first = index * SHARD_TEXTS
    texts = work.texts.read_text().splitlines()[first : first + SHARD_TEXTS]
    reader = reader_of(shard_speaker(index), work)
    readings = [reader.read(text, first + place) for place, text in enumerate(texts)]
    save_shard(
        path,
        text=[np.frombuffer(text.encode("ascii"), np.uint8) for text in texts],
        wave=[reading.wave for reading in readings],
        phones=[reading.phones.phones for reading in readings],
        ends=[reading.phones.ends for reading in readings],
        f0=[reading.f0 for reading in readings],
    )
    seconds = sum(len(reading.wave) for reading in readings) / SAMPLE_RATE
    return f"{path.name} {shard_speaker(index).name} {seconds:.0f} s of speech"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    names = [speaker.name for speaker in SPEAKERS]
    parser.add_argument("--speaker", choices=names, default=names[0])
    parser.add_argument("--shards", type=int, default=200, help=f"{SHARD_TEXTS} sentences each")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with get_context("spawn").Pool(options.processes) as pool:
        job = partial(read_shard, Work(options.work))
        first = names.index(options.speaker) * SPEAKER_SHARDS
        for line in pool.imap(job, range(first, first + options.shards), chunksize=1):
            print(line, flush=True)


if __name__ == "__main__":
    main()
