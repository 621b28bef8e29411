"""Tokens do not depend on the batch, the slots or the split of a prompt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.engine.batch import Batch, Prefill
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.scheduler import Scheduler
from barkserve.models.attention.backend import Backend
from barkserve.models.causal import CausalModel
from barkserve.models.loading import Placement, load_coarse, load_semantic
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference
from tests.support.batches import Planner, run_batches, token_lists

CheckpointOf = Callable[[CheckpointSpec], Path]
SPECS = [pytest.param(TINY, id="tiny"), pytest.param(ODD, id="odd")]
ATTENTION = ["sdpa", "eager"]
CPU = torch.device("cpu")
GREEDY = SamplingParams(greedy=True)


def coarse_model(
    folder: Path, attention: Backend = "sdpa", dtype: torch.dtype = torch.float32
) -> CausalModel:
    return load_coarse(Checkpoint.open(folder), Placement(CPU, dtype, attention))


def runner_over(model: CausalModel, slots: int = 4) -> ModelRunner:
    return ModelRunner(model, [np.arange(model.config.output_vocab_size)], slots)


def random_prompt(model: CausalModel, length: int, seed: int) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(0, model.config.input_vocab_size, (length, 1))
    return ids.astype(np.int64)


def request_of(
    prompt: np.ndarray, tokens: int, sampling: SamplingParams = GREEDY, seed: int = 0
) -> Request:
    return Request(prompt, tokens, sampling, uniforms(seed, 1, 0, tokens))


def in_slots(prompts: list[np.ndarray], slots: list[int], cached: int = 0) -> Prefill:
    """Make a batch of prompts of one length, with `cached` positions already in the slots."""
    requests = [request_of(prompt, 1) for prompt in prompts]
    for request, slot in zip(requests, slots, strict=True):
        request.slot, request.computed = slot, cached
    return Planner(requests).prefill()


def run(runner: ModelRunner, batch: Batch) -> list[list[int]]:
    return token_lists(runner.collect(runner.launch(batch)))


def alone(model: CausalModel, request: Request) -> list[int]:
    runner = runner_over(model, slots=1)
    scheduler = Scheduler(runner.limits)
    scheduler.add(request)
    run_batches(scheduler, runner)
    return request.tokens


def some_requests(model: CausalModel, sampling: SamplingParams) -> list[Request]:
    """Make five requests of different lengths."""
    shapes = [(40, 30), (7, 50), (1, 12), (33, 1), (20, 25)]
    return [
        request_of(random_prompt(model, length, seed), tokens, sampling, seed)
        for seed, (length, tokens) in enumerate(shapes)
    ]


@torch.no_grad()
def expected_logits(folder: Path, prompt: np.ndarray) -> Tensor:
    """Compute the logits of transformers' model after a prompt, (V,)."""
    model = reference(folder).coarse_acoustics
    logits: Tensor = model(torch.from_numpy(prompt[None, :, 0])).logits[0, -1]
    return logits


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize(
    "sampling", [GREEDY, SamplingParams(0.8, 20, 0.9)], ids=["greedy", "sampled"]
)
def test_batched_tokens_equal_single_ones(
    checkpoint_of: CheckpointOf, spec: CheckpointSpec, attention: Backend, sampling: SamplingParams
) -> None:
    model = coarse_model(checkpoint_of(spec), attention)
    expected = [alone(model, request) for request in some_requests(model, sampling)]
    together, runner = some_requests(model, sampling), runner_over(model, 3)
    scheduler = Scheduler(runner.limits)
    for request in together[:2]:
        scheduler.add(request)
    run_batches(scheduler, runner, 9)  # the others join later, two after waiting for a slot
    for request in together[2:]:
        scheduler.add(request)
    run_batches(scheduler, runner)
    assert [request.tokens for request in together] == expected
    assert all(len(set(tokens)) > 5 for tokens in expected if len(tokens) > 20)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("length", [1, 2, 50, 99])
def test_logits_equal_transformers(
    checkpoint_of: CheckpointOf, spec: CheckpointSpec, attention: Backend, length: int
) -> None:
    folder = checkpoint_of(spec)
    model = coarse_model(folder, attention)
    prompt = random_prompt(model, length, seed=length)
    logits = runner_over(model).logits(in_slots([prompt], [0]))
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits[0], expected_logits(folder, prompt), atol=1e-4, rtol=0)


@torch.no_grad()
def test_summed_ids_equal_summed_embeddings(checkpoint_of: CheckpointOf) -> None:
    folder = checkpoint_of(TINY)
    model = load_semantic(Checkpoint.open(folder), Placement(CPU, torch.float32, "sdpa"))
    prompt = np.concatenate([random_prompt(model, 30, 1), random_prompt(model, 30, 2)], axis=1)
    theirs = reference(folder).semantic
    embed = theirs.input_embeds_layer
    embeddings = embed(torch.from_numpy(prompt)).sum(dim=1)
    last = torch.from_numpy(random_prompt(model, 1, 3))[:, 0]
    embeddings = torch.cat([embeddings, embed(last)])
    expected = theirs(inputs_embeds=embeddings[None]).logits[0, -1]
    prompt = np.concatenate([prompt, [[int(last), -1]]])
    logits = runner_over(model).logits(in_slots([prompt], [0]))
    torch.testing.assert_close(logits[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("cut", [1, 13, 39])
def test_prompt_in_two_parts_equals_it_at_once(
    checkpoint_of: CheckpointOf, spec: CheckpointSpec, attention: Backend, cut: int
) -> None:
    model = coarse_model(checkpoint_of(spec), attention)
    prompt = random_prompt(model, 40, seed=5)
    whole = runner_over(model).logits(in_slots([prompt], [0]))
    runner = runner_over(model)
    run(runner, in_slots([prompt[:cut]], [2]))
    parts = runner.logits(in_slots([prompt], [2], cached=cut))
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("slots", [[0, 1, 2], [1, 2, 3], [2, 0, 3], [3, 2, 1]], ids=str)
def test_logits_do_not_depend_on_the_slots(
    checkpoint_of: CheckpointOf, attention: Backend, slots: list[int]
) -> None:
    model = coarse_model(checkpoint_of(TINY), attention)
    prompts = [random_prompt(model, 20, seed) for seed in range(3)]
    runner = runner_over(model)
    run(runner, in_slots([prompt[:15] for prompt in prompts], slots))
    together = runner.logits(in_slots(prompts, slots, cached=15))
    for row, prompt in enumerate(prompts):
        single = runner_over(model).logits(in_slots([prompt], [0]))
        torch.testing.assert_close(together[row], single[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("attention", ATTENTION)
def test_slot_hides_its_previous_contents(checkpoint_of: CheckpointOf, attention: Backend) -> None:
    model = coarse_model(checkpoint_of(TINY), attention)
    prompts = [random_prompt(model, 9, seed) for seed in range(2)]
    fresh = runner_over(model, 2).logits(in_slots(prompts, [0, 1]))
    runner = runner_over(model, 2)
    run(runner, in_slots([random_prompt(model, 100, seed) for seed in (7, 8)], [0, 1]))
    assert torch.equal(runner.logits(in_slots(prompts, [0, 1])), fresh)


def test_row_chooses_from_its_own_head(checkpoint_of: CheckpointOf) -> None:
    model = coarse_model(checkpoint_of(TINY))
    heads = [np.arange(10, 30), np.array([3, 40, 41, 90])]  # a view of the weights, and a copy
    prompts = [random_prompt(model, 12, seed) for seed in range(3)]
    batch = in_slots(prompts, [0, 1, 2])
    logits = runner_over(model).logits(batch)
    for request, head in zip(batch.requests, (1, 0, 1), strict=True):
        request.heads = range(head, head + 1)
    tokens = run(ModelRunner(model, heads, 4), batch)
    expected = [
        [int(heads[head][logits[row, heads[head]].argmax()])] for row, head in enumerate((1, 0, 1))
    ]
    assert tokens == expected


@pytest.mark.parametrize("attention", ATTENTION)
def test_bfloat16_is_near_float32(checkpoint_of: CheckpointOf, attention: Backend) -> None:
    folder = checkpoint_of(TINY)
    exact, rough = coarse_model(folder), coarse_model(folder, attention, torch.bfloat16)
    prompts = [random_prompt(exact, 30, seed) for seed in range(3)]
    expected = runner_over(exact).logits(in_slots(prompts, [0, 1, 2]))
    runner = runner_over(rough)
    logits = runner.logits(in_slots(prompts, [0, 1, 2]))
    assert logits.dtype == torch.float32
    error = (logits - expected).square().mean().sqrt() / expected.std()
    assert 0 < error < 0.05
    assert len(alone(rough, request_of(prompts[0], 20))) == 20
