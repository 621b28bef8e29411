"""Write the data of the semantic model: the teacher's phones and their times, without audio.

This is four times as fast as synthesis, so there are many more of these sentences.
"""

import argparse
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import SHARD_TEXTS, Work, shard_speaker
from training.data.features import phone_thirds, trim
from training.data.teacher import SilentFlite, save_shard


def pronounce_shard(work: Work, index: int) -> str:
    """Write the semantic tokens of one shard of texts, unless they exist; return a log line."""
    path = work.shard("pronounced", index)
    if path.exists():
        return f"{path.name} exists"
    texts = work.texts.read_text().splitlines()[index * SHARD_TEXTS : (index + 1) * SHARD_TEXTS]
    flite, tokens = SilentFlite(shard_speaker(index).name), list[NDArray[np.generic]]()
    for text in texts:
        phones, ends = flite.spell(text)
        first, last = trim(ends)
        tokens.append(phone_thirds(phones, np.clip(ends - first / 200, 0, (last - first) / 200)))
    save_shard(
        path,
        text=[np.frombuffer(text.encode("ascii"), np.uint8) for text in texts],
        semantic=tokens,
    )
    return f"{path.name} {shard_speaker(index).name} {sum(map(len, tokens))} tokens"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--shards", type=int, default=160, help="500 sentences each")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    # One process per shard: flite registers a voice for the lifetime of a process.
    with get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        job = partial(pronounce_shard, Work(options.work))
        for line in pool.imap(job, range(options.shards), chunksize=1):
            print(line, flush=True)


if __name__ == "__main__":
    main()
