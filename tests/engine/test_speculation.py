"""Drafted tokens: the same tokens as without drafts, in fewer passes, with the same bits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from barkserve.building.stage import open_checkpoint
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.config.stages import CoarseOptions
from barkserve.engine.draft_length import DraftLength
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.engine.scheduler import Scheduler
from barkserve.engine.speculation import ATTENDED, POSITIONS
from barkserve.models import loading
from barkserve.models.attention.slots import PromptRows
from barkserve.models.causal import CausalModel
from barkserve.models.decode_plan import DecodePlan
from barkserve.models.linear import can_pack
from barkserve.models.loading import Placement, load_coarse
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.batches import run_batches

CheckpointOf = Callable[[CheckpointSpec], Path]

CPU = torch.device("cpu")
HEADS = [np.arange(10, 50), np.arange(60, 101)]
GREEDY = SamplingParams(greedy=True)
SAMPLED = SamplingParams(0.8, 20, 0.9)


def drafting_model(folder: Path, monkeypatch: pytest.MonkeyPatch, noise: float) -> CausalModel:
    """Load a model whose draft has its weights, with noise on the last normalization."""
    monkeypatch.setattr(loading, "_DRAFTED_BYTES", 0)
    placement = Placement(CPU, torch.float32, "sdpa", draft_dtype=torch.float32)
    model = load_coarse(Checkpoint.open(folder), placement)
    assert model.draft is not None
    width = model.config.hidden_size
    norm = torch.nn.LayerNorm(width, bias=False)
    generator = torch.Generator().manual_seed(3)
    shift = noise * torch.randn(width, generator=generator)
    norm.weight = torch.nn.Parameter(model.layernorm_final.weight + shift, requires_grad=False)
    model.draft.layernorm_final = norm
    return model


def run(
    model: CausalModel,
    requests: list[Request],
    heads: list[np.ndarray] = HEADS,
    passes: list[int] | None = None,
    monkeypatch: pytest.MonkeyPatch | None = None,
) -> list[list[int]]:
    """Run requests together. `passes` gets the number of positions of each checking pass."""
    if passes is not None and monkeypatch is not None:
        states = model.states

        def counted(ids: Tensor, *rest: object) -> Tensor:
            passes.append(ids.shape[1])
            return states(ids, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(model, "states", counted)
    runner = ModelRunner(model, heads, 3, prompt_positions=64)  # prompts run together
    scheduler = Scheduler(runner.limits)
    for request in requests:
        scheduler.add(request)
    run_batches(scheduler, runner)
    return [request.tokens for request in requests]


def request_of(
    sampling: SamplingParams, tokens: int = 40, length: int = 20, **more: object
) -> Request:
    prompt = np.random.default_rng(4).integers(0, 90, (length, 1))
    return Request(prompt, tokens, sampling, uniforms(5, 1, 0, tokens), **more)  # type: ignore[arg-type]


def without_drafts(model: CausalModel) -> CausalModel:
    model.draft = None
    return model


@pytest.mark.parametrize("noise", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_drafts_change_no_token(
    checkpoint_of: CheckpointOf,
    monkeypatch: pytest.MonkeyPatch,
    noise: float,
    sampling: SamplingParams,
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, noise)
    passes: list[int] = []
    drafted = run(
        model, [request_of(sampling, heads=range(2))], passes=passes, monkeypatch=monkeypatch
    )
    assert drafted == run(without_drafts(model), [request_of(sampling, heads=range(2))])
    assert len(drafted[0]) == 40
    assert set(passes) == {POSITIONS}
    assert len(passes) < 39 if noise < 5.0 else len(passes) <= 39


def test_right_drafts_need_few_passes(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    passes: list[int] = []
    run(model, [request_of(GREEDY, tokens=50)], passes=passes, monkeypatch=monkeypatch)
    assert 49 / POSITIONS <= len(passes) <= 15


def test_drafts_stop_at_the_stop_token(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    heads = HEADS[:1]
    tokens = run(without_drafts(model), [request_of(SAMPLED)], heads)[0]
    stop = tokens[17]
    expected = tokens[: tokens.index(stop)]
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    request = request_of(SAMPLED, stop_token=stop)
    assert run(model, [request], heads) == [expected]
    assert request.stopped


def test_drafts_end_before_the_end_of_a_slot(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    length = model.config.block_size - 21
    drafted = run(model, [request_of(GREEDY, 20, length)])
    assert len(drafted[0]) == 20
    assert drafted == run(without_drafts(model), [request_of(GREEDY, 20, length)])


def test_several_streams_run_without_drafts(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    passes: list[int] = []
    together = [request_of(GREEDY), request_of(GREEDY)]
    tokens = run(model, together, passes=passes, monkeypatch=monkeypatch)
    assert not passes
    assert tokens[0] == tokens[1] == run(without_drafts(model), [request_of(GREEDY)])[0]


def test_deterministic_model_draws_without_drafts(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.0)
    model.use_plan(DecodePlan(deterministic=True, single_rows=True))
    passes: list[int] = []
    run(model, [request_of(GREEDY)], passes=passes, monkeypatch=monkeypatch)
    assert not passes


def test_watched_attention_is_the_same_with_drafts(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = drafting_model(checkpoint_of(TINY), monkeypatch, 0.5)
    watch = Watch(((0, 1), (1, 0)), first=19, width=15)
    drafted, plain = request_of(SAMPLED, watch=watch), request_of(SAMPLED, watch=watch)
    run(model, [drafted])
    run(without_drafts(model), [plain])
    of_drafted, of_plain = (np.concatenate(each.attention, axis=1) for each in (drafted, plain))
    assert of_drafted.shape == (2, 40, 15)
    np.testing.assert_allclose(of_drafted, of_plain, atol=1e-5)


@torch.inference_mode()
def test_bits_of_a_position_do_not_depend_on_drafts() -> None:
    """One seed gives one waveform: the place of a position in its pass changes no bit."""
    placement = Placement.parse("cpu", "float32", "auto")
    model = load_coarse(Checkpoint.open(bundled_checkpoint()), placement)
    generator = torch.Generator().manual_seed(6)
    ids = torch.randint(0, 2000, (1, 120, 1), generator=generator)
    head = model.head(torch.arange(100, 1124))

    def logits(steps: list[int]) -> dict[int, Tensor]:
        """Append ids after 60 positions in passes; each counts so many of its positions."""
        cache = model.new_cache(1)
        zero = torch.zeros(1, dtype=torch.int64)
        model.prefill(ids[:, :60], PromptRows(zero, zero, None, 60, fresh=True), cache)
        found, start = dict[int, Tensor](), 60
        for step in steps:
            part = ids[:, start : start + POSITIONS].clone()
            part[:, step:] = start  # wrong drafts
            rows = PromptRows(zero, zero + start, None, ATTENDED, fresh=False)
            states = model.states(part, rows, cache)[0]
            found |= dict(zip(range(start, start + step), model.logits(states, head), strict=False))
            start += step
        return found

    expected = logits([1] * 48)
    for steps in ([8] * 6, [3] * 16, [2, 7, 5, 1, 8, 4, 6, 3, 7, 5]):
        found = logits(steps)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[each], expected[each]) for each in found)


@pytest.mark.skipif(not can_pack(CPU, torch.int8), reason="no VNNI instructions")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"drafts": "auto"}, torch.int8),
        ({"drafts": "auto", "deterministic": "on"}, None),
        ({"drafts": "auto", "dtype": "bfloat16"}, None),
        ({"drafts": "auto", "attention": "eager"}, None),
    ],
)
def test_option_decides_whether_a_stage_drafts(
    options: dict[str, str], expected: torch.dtype | None
) -> None:
    _, placement = open_checkpoint(CoarseOptions(**options))  # type: ignore[arg-type]
    assert placement.draft_dtype is expected


def test_bundled_model_is_too_small_for_drafts() -> None:
    placement = Placement(CPU, torch.float32, "sdpa", draft_dtype=torch.float32)
    assert load_coarse(Checkpoint.open(bundled_checkpoint()), placement).draft is None


def test_accurate_drafts_are_many() -> None:
    length = DraftLength(7)
    for _ in range(50):
        length.note(7, 7)
    assert length.accuracy > 0.99
    assert length.best == 7


def test_wrong_drafts_end_and_are_tried_again() -> None:
    length = DraftLength(7)
    for _ in range(100):
        length.note(length.best, 0)
        if not length.best:
            break
    assert length.best == 0
    for _ in range(100):
        length.note(0, 0)
    assert length.best > 0


def test_only_drafts_up_to_the_first_wrong_one_count() -> None:
    length = DraftLength(7, accuracy=0.5)
    length.note(7, 0)
    assert length.accuracy == pytest.approx(0.475)
