"""Packing the training data into a file and unpacking it."""

from pathlib import Path

import numpy as np
import pytest

from training.config import Work
from training.data.corpus import load_corpus
from training.data.pack import pack, unpack
from training.data.teacher import load_shard, save_shard


def prepared(root: Path) -> Work:
    """Return a work folder with one shard of each stage, and audio below 8 kHz."""
    work, draw = Work(root), np.random.default_rng(0)
    seconds = np.arange(9_601) / 24_000
    tone = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in (110, 900, 5_000))
    text, semantic = [np.frombuffer(b"hello", np.uint8)] * 30, [np.arange(20, dtype=np.uint8)] * 30
    codes = [draw.integers(0, 1024, (30, 4)).astype(np.int16)] * 30
    save_shard(work.shard("codes", 0), text=text, semantic=semantic, codes=codes)
    save_shard(work.shard("pronounced", 0), text=text, semantic=semantic)
    waves = [(6_000 * tone).astype(np.int16)] * 30
    save_shard(work.shard("features", 0), wave=list(waves), clock=[np.arange(30)] * 30)
    np.savez(root / "codebooks.npz", **{"0": np.zeros((1024, 24), np.float32)})
    return work


def test_unpack_restores_a_packed_folder(tmp_path: Path) -> None:
    work, unpacked = prepared(tmp_path / "here"), Work(tmp_path / "there")
    assert pack(work, tmp_path / "prepared.tar") == pytest.approx(12, rel=0.01)  # seconds
    unpack(tmp_path / "prepared.tar", unpacked)
    for stage in ("codes", "pronounced"):
        before, after = (load_corpus(one, stage).train["rms"] for one in (work, unpacked))
        assert [(one.text, one.codes.tolist()) for one in before] == [
            (one.text, one.codes.tolist()) for one in after
        ]
    before, after = (load_shard(one.shard("features", 0))["wave"][0] for one in (work, unpacked))
    middle = slice(600, -600)  # resampling rings where a tone is cut off
    difference = before.astype(int)[middle] - after.astype(int)[middle]
    assert len(after) == len(before)
    assert np.abs(difference).max() < 60


def test_pack_refuses_a_folder_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="bytes"):
        pack(prepared(tmp_path), tmp_path / "prepared.tar", limit=1_000)
