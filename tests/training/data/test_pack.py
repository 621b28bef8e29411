"""Packing the training data into a file and unpacking it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.config import Work
from training.data.codes import Spectrum, load_codebook, save_codebook
from training.data.corpus import load_corpus
from training.data.pack import pack, unpack
from training.data.shards import load_shard, save_shard


def prepared(root: Path) -> Work:
    """Return a work folder with one shard of each stage."""
    work, draw = Work(root), np.random.default_rng(0)
    text, semantic = [np.frombuffer(b"hello", np.uint8)] * 30, [np.arange(20, dtype=np.uint16)] * 30
    codes = [draw.integers(0, 1024, (30, 2)).astype(np.int16)] * 30
    save_shard(work.shard("codes", 0), text=text, semantic=semantic, codes=codes)
    waves = [draw.integers(-9_000, 9_000, 9_601 + index).astype(np.int16) for index in range(30)]
    save_shard(work.shard("features", 0), wave=list(waves), clock=[np.arange(30)] * 30)
    save_codebook(work, replace(Spectrum.empty(), vectors=torch.randn(1024, 32)))
    return work


def test_unpack_restores_a_packed_folder(tmp_path: Path) -> None:
    work, unpacked = prepared(tmp_path / "here"), Work(tmp_path / "there")
    assert pack(work, tmp_path / "prepared.tar") == pytest.approx(12, rel=0.01)  # seconds
    unpack(tmp_path / "prepared.tar", unpacked)
    before, after = (load_corpus(one).validation["heart"] for one in (work, unpacked))
    assert [(one.text, one.codes.tolist()) for one in before] == [
        (one.text, one.codes.tolist()) for one in after
    ]
    before, after = (load_shard(one.shard("features", 0))["wave"] for one in (work, unpacked))
    assert [one.tolist() for one in before] == [one.tolist() for one in after]
    assert torch.equal(load_codebook(work).vectors, load_codebook(unpacked).vectors)


def test_pack_takes_as_much_audio_as_fits(tmp_path: Path) -> None:
    work = prepared(tmp_path / "here")
    seconds = pack(work, tmp_path / "small.tar", limit=2_460_000)
    assert 0 < seconds < 11
    assert (tmp_path / "small.tar").stat().st_size < 2_460_000


def test_pack_refuses_a_folder_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="bytes"):
        pack(prepared(tmp_path), tmp_path / "prepared.tar", limit=1_000)
