"""Captured graphs, with a fake capture that repeats the work on the same tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.codec.decoder import Decoder
from barkserve.codec.job import DecodeJob, JobPlan
from barkserve.engine.graphs import Graphs, Out, bucket_size, bucket_sizes
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import SamplingParams
from barkserve.engine.scheduler import Scheduler
from barkserve.fine.filler import Filler, padded_batch
from barkserve.fine.job import FillJob
from barkserve.models.attention.eager import EagerAttention
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.loading import Placement, load_codec, load_fine
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.engine.test_model_runner import GREEDY, alone, coarse_model, some_requests
from tests.support.batches import run_batches

CheckpointOf = Callable[[CheckpointSpec], Path]


class FakeCapture:
    """Repeats the work at each replay and returns the same tensors, as a graph does."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        self.captured += 1
        out: Any = forward()
        places = [each.clone() for each in _tensors(out)]

        def replay() -> Out:
            self.replayed += 1
            for place, value in zip(places, _tensors(forward()), strict=True):
                place.copy_(value)
            same: Any = tuple(places) if isinstance(out, tuple) else places[0]
            return same

        return replay


def _tensors(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize(
    ("count", "most", "size"), [(1, 16, 1), (3, 16, 4), (5, 6, 6), (16, 16, 16), (9, 12, 12)]
)
def test_bucket_size_is_a_power_of_two_or_the_maximum(count: int, most: int, size: int) -> None:
    assert bucket_size(count, most) == size
    assert size in bucket_sizes(most)


def test_bucket_sizes_start_with_the_largest() -> None:
    assert bucket_sizes(12) == [12, 8, 4, 2, 1]


def test_graphs_capture_a_key_once_and_read_new_inputs() -> None:
    capture = FakeCapture()
    graphs = Graphs(capture)
    for number in range(3):
        x = torch.full((2,), float(number))
        assert graphs.run("double", (x,), lambda value: value * 2).tolist() == [2 * number] * 2
    graphs.run("other", (torch.ones(3),), lambda value: value + 1)
    assert (capture.captured, capture.replayed) == (2, 4)


@pytest.mark.parametrize("attention", [SdpaAttention, EagerAttention])
@pytest.mark.parametrize(
    "sampling", [GREEDY, SamplingParams(0.8, 20), SamplingParams(0.9, 70, 0.9)], ids=str
)
def test_replayed_batches_draw_the_same_tokens(
    checkpoint_of: CheckpointOf, attention: type, sampling: SamplingParams
) -> None:
    model = coarse_model(checkpoint_of(TINY))
    expected = [alone(model, request) for request in some_requests(model, sampling)]
    model.attention = attention()
    capture = FakeCapture()
    runner = ModelRunner(model, [np.arange(model.config.output_vocab_size)], 3, Graphs(capture))
    runner.capture(ids_per_position=1)
    captured = capture.captured
    scheduler, requests = Scheduler(runner.limits), some_requests(model, sampling)
    for request in requests:
        scheduler.add(request)
    run_batches(scheduler, runner)
    assert [request.tokens for request in requests] == expected
    assert capture.captured == captured  # nothing is captured while streams run
    assert capture.replayed > captured


def test_replayed_passes_fill_the_same_codes(checkpoint_of: CheckpointOf) -> None:
    checkpoint = Checkpoint.open(checkpoint_of(TINY))
    bark = checkpoint.bark
    placement = Placement(torch.device("cpu"), torch.float32, "sdpa")
    model = load_fine(checkpoint, placement)
    books = bark.fine_generation.n_fine_codebooks
    length = bark.fine_generation.max_fine_input_length
    draws = np.random.default_rng(3)
    jobs = [
        FillJob(
            draws.integers(0, bark.codebook_size, (length, books)),
            fill_from,
            temperature,
            draws.random((length, books), dtype=np.float32),
        )
        for fill_from, temperature in ((0, None), (20, 0.7), (5, None))
    ]
    capture = FakeCapture()
    plain = Filler(model, 2, books, bark.codebook_size)
    replayed = Filler(model, 2, books, bark.codebook_size, Graphs(capture))
    replayed.capture(5, length)
    captured = capture.captured
    for ours, expected in zip(replayed.fill(jobs), plain.fill(jobs), strict=True):
        assert np.array_equal(ours, expected)
    assert capture.captured == captured == 5  # nothing is captured while streams run


def test_replayed_passes_decode_the_same_samples(checkpoint_of: CheckpointOf) -> None:
    checkpoint = Checkpoint.open(checkpoint_of(TINY))
    model = load_codec(checkpoint, Placement(torch.device("cpu"), torch.float32, "sdpa"))
    capture, draws = FakeCapture(), np.random.default_rng(5)
    plan = JobPlan.in_pieces(model.config)
    plain, replayed = Decoder(model, plan), Decoder(model, plan, Graphs(capture), 4)
    replayed.capture()
    books, size = len(model.codebooks), TINY.codebook_size
    states: list[list[Any]] = [[None] * 3, [None] * 3]
    for rows in (3, 2, 1):
        codes = [draws.integers(0, size, (plan.frames, books)) for _ in range(rows)]
        made = [
            decoder.decode([DecodeJob(*job) for job in zip(codes, before, strict=False)])
            for decoder, before in zip((plain, replayed), states, strict=True)
        ]
        for ours, expected in zip(made[1], made[0], strict=True):
            np.testing.assert_allclose(ours.samples, expected.samples, atol=1e-6)
        states = [[each.state for each in decoded] for decoded in made]
    assert capture.captured == 2  # nothing is captured while streams run
    assert capture.replayed == 2 + 3


@pytest.mark.parametrize(("count", "size"), [(1, 1), (5, 5), (8, 8), (9, 10), (17, 20), (33, 40)])
def test_padded_batch_wastes_at_most_a_fifth(count: int, size: int) -> None:
    assert padded_batch(count) == size
    assert all(padded_batch(n) - n <= padded_batch(n) / 5 for n in range(1, 200))
