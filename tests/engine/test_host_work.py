"""The host's work for a batch on a GPU does not grow with its rows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.codec.decoder import Decoder
from barkserve.codec.job import DecodeJob, JobPlan
from barkserve.engine.graphs import Graphs
from barkserve.fine.filler import Filler
from barkserve.fine.job import FillJob
from barkserve.models.loading import Placement, load_codec, load_fine
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.launches import CountingCapture, host_work_of

CheckpointOf = Callable[[CheckpointSpec], Path]
PLACEMENT = Placement(torch.device("cpu"), torch.float32, "sdpa")
ROWS = (1, 2, 5, 8)
BOOKS = 8


@pytest.fixture
def checkpoint(checkpoint_of: CheckpointOf) -> Checkpoint:
    return Checkpoint.open(checkpoint_of(TINY))


def test_fill_is_one_replay_whatever_its_rows(checkpoint: Checkpoint) -> None:
    """All six codebooks, sampled and greedy windows together."""
    capture = CountingCapture()
    model, size = load_fine(checkpoint, PLACEMENT), checkpoint.bark.codebook_size
    filler = Filler(model, 2, BOOKS, size, Graphs(capture))
    length = checkpoint.bark.fine_generation.max_fine_input_length
    filler.capture(max(ROWS), length)
    draws = np.random.default_rng(1)
    launches = []
    for rows in ROWS:
        jobs = [
            FillJob(
                draws.integers(0, size, (length, BOOKS)),
                row,
                None if row % 2 else 0.7,
                draws.random((length, BOOKS), dtype=np.float32),
            )
            for row in range(rows)
        ]
        before = capture.replays
        work = host_work_of(lambda jobs=jobs: filler.fill(jobs))
        assert capture.replays == before + 1
        assert not work.reads
        launches.append(work.launches)
    assert not capture.reads  # no wait between codebooks
    assert all(each == launches[0] for each in launches)
    assert launches[0].total() <= 12  # uploads, copies to the graph's inputs, one download


@pytest.mark.parametrize("begun", [False, True], ids=["first", "later"])
def test_codec_piece_is_one_replay_whatever_its_rows(checkpoint: Checkpoint, begun: bool) -> None:
    capture, model = CountingCapture(), load_codec(checkpoint, PLACEMENT)
    plan = JobPlan.in_pieces(model.config)
    decoder = Decoder(model, plan, Graphs(capture), max_batch=max(ROWS))
    decoder.capture()
    state = torch.zeros(model.state_size) if begun else None
    codes = np.zeros((22, BOOKS), dtype=np.int64)
    launches = []
    for rows in ROWS:
        jobs = [DecodeJob(codes[: 22 - row], state) for row in range(rows)]
        before = capture.replays
        work = host_work_of(lambda jobs=jobs: decoder.decode(jobs))
        assert capture.replays == before + 1
        assert not work.reads
        launches.append(work.launches)
    assert not capture.reads  # the LSTM waits for nothing
    assert all(each == launches[0] for each in launches)
    assert launches[0].total() <= 10


def test_plain_fill_waits_for_nothing_between_codebooks(checkpoint: Checkpoint) -> None:
    """A device without graphs runs the same function: its launches are queued without a wait."""
    model, size = load_fine(checkpoint, PLACEMENT), checkpoint.bark.codebook_size
    filler = Filler(model, 2, BOOKS, size)
    length = checkpoint.bark.fine_generation.max_fine_input_length
    draws = np.zeros((length, BOOKS), dtype=np.float32)
    jobs = [FillJob(np.zeros((length, BOOKS), dtype=np.int64), 3, 0.7, draws)]
    work = host_work_of(lambda: filler.fill(jobs))
    assert work.launches.total() > 100
    assert not work.reads


def test_host_work_finds_reads_and_launches() -> None:
    x = torch.arange(6.0)
    work = host_work_of(lambda: (x * 2).view(2, 3)[0, 0].item() + len(x[x > 3]))
    assert work.launches["mul"] == 1
    assert work.reads == {"item": 1, "index": 1}
