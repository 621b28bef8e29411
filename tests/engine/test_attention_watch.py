"""Recorded attention equals that of transformers in any batch, and changes no token."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.engine.draws import uniforms
from barkserve.engine.graphs import Graphs
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.engine.scheduler import Scheduler
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.causal import CausalModel
from barkserve.models.loading import Placement, load_semantic
from fixtures.checkpoints import TINY, reference
from tests.engine.test_graphs import FakeCapture
from tests.support.batches import run_batches

WATCH = Watch(heads=((1, 0), (0, 1)), first=9, width=6)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(checkpoint_of) -> Path:  # type: ignore[no-untyped-def]
    return checkpoint_of(TINY)


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalModel:
    return load_semantic(Checkpoint.open(folder), Placement(CPU, torch.float32, "sdpa"))


def request(length: int, tokens: int, watch: Watch | None, seed: int = 0) -> Request:
    prompt = np.random.default_rng(seed).integers(0, TINY.text_pad_token, (length, 1))
    sampling = SamplingParams(temperature=0.8)
    return Request(prompt, tokens, sampling, uniforms(seed, 1, 0, tokens), watch=watch)


def run(model: CausalModel, *requests: Request) -> None:
    runner = ModelRunner(model, [np.arange(101)], 4)
    scheduler = Scheduler(runner.limits)
    for each in requests:
        scheduler.add(each)
    run_batches(scheduler, runner)


def run_captured(model: CausalModel, *requests: Request) -> None:
    """Run requests from captured graphs, with two batches in flight."""
    before, model.attention = model.attention, SdpaAttention()
    runner = ModelRunner(model, [np.arange(101)], 4, Graphs(FakeCapture()))
    scheduler = Scheduler(runner.limits)
    for each in requests:
        scheduler.add(each)
    run_batches(scheduler, runner)
    model.attention = before


def attention_of(each: Request) -> np.ndarray:
    return np.concatenate(each.attention, axis=1)


@torch.no_grad()
def test_watched_attention_equals_transformers(folder: Path, model: CausalModel) -> None:
    each = request(12, 20, WATCH)
    run(model, each)
    fed = [*each.prompt[:, 0].tolist(), *each.tokens[:-1]]
    theirs = reference(folder).semantic
    theirs.set_attn_implementation("eager")
    attentions = theirs(torch.tensor([fed]), output_attentions=True).attentions
    expected = np.stack([attentions[layer][0, head, 9:, :6].numpy() for layer, head in WATCH.heads])
    assert attention_of(each).shape == (2, 12 - 9 + 19, 6)
    np.testing.assert_allclose(attention_of(each), expected, atol=1e-5)


def test_watch_changes_no_token(model: CausalModel) -> None:
    plain, watched = request(12, 40, None), request(12, 40, WATCH)
    run(model, plain)
    run(model, watched)
    assert plain.tokens == watched.tokens
    assert plain.attention == []


def test_batched_attention_equals_single(model: CausalModel) -> None:
    def three() -> list[Request]:
        return [
            request(12, 30, WATCH),
            request(30, 12, None, 1),
            request(20, 20, replace(WATCH, heads=((0, 0),), first=0, width=20), 2),
        ]

    together, alone = three(), three()
    run(model, *together)
    for batched, each in zip(together, alone, strict=True):
        run(model, each)
        assert batched.tokens == each.tokens
        if each.watch is not None:
            np.testing.assert_allclose(attention_of(batched), attention_of(each), atol=1e-5)


def test_captured_attention_equals_single(model: CausalModel) -> None:
    """The first row's watch begins inside its prompt, the third one's with the last position."""
    at_end = Watch(heads=((1, 1),), first=19, width=20)
    shapes = [(12, 30, WATCH, 0), (30, 12, None, 1), (20, 20, at_end, 2)]
    together = [request(*shape) for shape in shapes]
    run_captured(model, *together)
    for captured, shape in zip(together, shapes, strict=True):
        each = request(*shape)
        run(model, each)
        assert captured.tokens == each.tokens
        if each.watch is not None:
            np.testing.assert_allclose(attention_of(captured), attention_of(each), atol=1e-5)


def test_attention_of_a_prompt_equals_step_by_step(model: CausalModel) -> None:
    each = request(12, 20, WATCH)
    run(model, each)
    produced = np.array(each.tokens[:15])[:, None]
    again = replace(each, prompt=np.concatenate([each.prompt, produced]), max_tokens=1)
    run(model, again)
    np.testing.assert_allclose(attention_of(again), attention_of(each)[:, : 12 - 9 + 15], atol=1e-5)
