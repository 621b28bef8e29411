"""With --deterministic on, a row's bits are the same alone and among others, on a CPU too."""

import numpy as np
import pytest
import torch
from torch import Tensor

from barkserve.building.stage import make_runner, open_checkpoint
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.config.stages import CoarseOptions
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.scheduler import Scheduler
from barkserve.models.causal import CausalModel
from barkserve.models.decode_plan import DecodePlan
from barkserve.models.loading import Placement, load_coarse

ROWS = 16


def bundled_model(dtype: str) -> CausalModel:
    checkpoint = Checkpoint.open(bundled_checkpoint())
    return load_coarse(checkpoint, Placement.parse("cpu", dtype, "auto"))


@torch.inference_mode()
def step(model: CausalModel, rows: Tensor) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
    """The states, the logits and the queries of some of 16 rows."""
    generator = torch.Generator().manual_seed(2)
    cache = model.new_cache(ROWS)
    cache.normal_(generator=generator)
    tokens = torch.randint(0, 2000, (ROWS,), generator=generator)
    lengths = torch.randint(0, 500, (ROWS,), generator=generator)
    queries: dict[int, Tensor] = {}
    places = (tokens[rows], rows, lengths[rows])
    hidden = model.decode(*places, cache, queries.__setitem__)
    return hidden, model.logits(hidden, model.head(torch.arange(100, 1124))), queries


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_deterministic_row_has_the_same_bits_alone(dtype: str) -> None:
    model = bundled_model(dtype)
    model.use_plan(DecodePlan(deterministic=True, single_rows=True))
    hidden, logits, queries = step(model, torch.arange(ROWS))
    for row in (0, 9, 15):
        alone = step(model, torch.tensor([row]))
        assert torch.equal(alone[0][0], hidden[row])
        assert torch.equal(alone[1][0], logits[row])
        assert torch.equal(alone[2][3][0], queries[3][row])


def test_batched_row_on_a_cpu_differs_by_rounding_only() -> None:
    """Why --deterministic exists on a CPU: torch's kernels depend on the batch size."""
    model = bundled_model("float32")
    _, logits, _ = step(model, torch.arange(ROWS))
    model.use_plan(DecodePlan(deterministic=True, single_rows=True))
    _, exact, _ = step(model, torch.arange(ROWS))
    torch.testing.assert_close(logits, exact, rtol=0, atol=1e-4)


@pytest.mark.parametrize("deterministic", [True, False])
def test_deterministic_runner_computes_prompts_alone(deterministic: bool) -> None:
    model = bundled_model("float32")
    model.use_plan(DecodePlan(deterministic=deterministic, single_rows=deterministic))
    runner = ModelRunner(model, [np.arange(100)], 3, prompt_positions=512)
    scheduler = Scheduler(runner.limits)
    for seed in (1, 2, 3):
        prompt = np.full((20, 1), seed, dtype=np.int64)
        scheduler.add(Request(prompt, 5, SamplingParams(), uniforms(seed, 1, 0, 5)))
    batch = scheduler.next_batch()
    assert len(batch.requests) == (1 if deterministic else 3)


@pytest.mark.parametrize("deterministic", ["on", "off", "auto"])
def test_option_decides_how_a_stage_computes(deterministic: str) -> None:
    options = CoarseOptions(deterministic=deterministic, slots=2)
    _, placement = open_checkpoint(options)
    model = bundled_model("float32")
    make_runner(options, model, [np.arange(100)], placement, 1)
    assert model.plan.deterministic is (deterministic == "on")
