"""The shards that the codec is trained on."""

from pathlib import Path

import numpy as np

from training.config import Work
from training.data.shards import save_shard
from training.train.codec import coded_audio


def test_speakers_with_draws_are_trained_on_them(tmp_path: Path) -> None:
    work, wave = Work(tmp_path), np.zeros(640, np.int16)
    for index in (0, 1, 1000):
        save_shard(work.shard("codes", index), codes=[np.zeros((2, 2), np.int16)])
        save_shard(work.shard("features", index), wave=[wave])
    save_shard(work.shard("codes", 2), codes=[np.zeros((2, 2), np.int16)])
    save_shard(work.shard("features", 2), clock=[np.zeros(2, np.int16)])
    codes = [(work.shard("codes", i), work.shard("features", i)) for i in (0, 1, 1000)]
    assert coded_audio(work) == codes
    save_shard(work.shard("draws", 1), codes=[np.zeros((2, 2), np.int16)])
    drawn = (work.shard("draws", 1), work.shard("features", 1))
    assert coded_audio(work) == [drawn, codes[2]]
