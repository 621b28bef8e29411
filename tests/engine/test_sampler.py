"""Warpers equal those of transformers; draws invert the cumulative distribution."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.logits_process import BarkEosPrioritizerLogitsProcessor

from barkserve.engine.request import SamplingParams
from barkserve.engine.row_state import RowState
from barkserve.engine.sampler import (
    Warpers,
    draw,
    keep_top_k,
    keep_top_p,
    prioritize_stop,
    sample,
)
from tests.support.fakes import MODULO, fake_request

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**31)
UNIFORMS = st.floats(0, 1, exclude_max=True, width=32)


def random_logits(seed: int, rows: int, columns: int, ties: bool = False) -> Tensor:
    logits = 3 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    return logits.round() if ties else logits


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def choose(
    logits: Tensor,
    params: Sequence[SamplingParams],
    draws: Sequence[float],
    stop: int = 0,
    warpers: Warpers | None = None,
) -> Tensor:
    """Choose a column per row, with parameters that went through the state of slots."""
    count = len(params)
    state, slots = RowState(count, 1, CPU), list(range(count))
    requests = [fake_request([1], 1) for _ in params]
    for request, each, uniform in zip(requests, params, draws, strict=True):
        request.sampling, request.uniforms = each, np.array([uniform], dtype=np.float32)
    packed = state.pack(requests, slots, [stop] * count)
    state.load(
        *map(torch.from_numpy, (packed.slots, packed.integers.copy(), packed.floats.copy())),
        torch.from_numpy(packed.uniforms),
    )
    rows = state.gather(torch.tensor(slots))
    return sample(logits, state.uniform(rows), rows.sampling, warpers or Warpers.for_rows(params))


def nothing_behind(rows: int) -> Tensor:
    """Make input_ids for transformers. None of these processors reads them."""
    return torch.zeros(rows, 1, dtype=torch.int64)


@settings(deadline=None)
@given(seed=SEEDS, columns=st.integers(1, 90), top_k=st.integers(1, 120), ties=st.booleans())
def test_top_k_equals_transformers(seed: int, columns: int, top_k: int, ties: bool) -> None:
    logits = random_logits(seed, 3, columns, ties)
    expected = TopKLogitsWarper(top_k)(nothing_behind(3), logits.clone())
    assert torch.equal(keep_top_k(logits, torch.full((3, 1), top_k), top_k), expected)


@settings(deadline=None)
@given(seed=SEEDS, columns=st.integers(1, 90), top_p=st.floats(0.01, 0.99))
def test_top_p_equals_transformers(seed: int, columns: int, top_p: float) -> None:
    logits = random_logits(seed, 3, columns)
    expected = TopPLogitsWarper(float(np.float32(top_p)))(nothing_behind(3), logits.clone())
    assert torch.equal(keep_top_p(logits, torch.full((3, 1), top_p)), expected)


@settings(deadline=None)
@given(seed=SEEDS, columns=st.integers(2, 60), min_eos_p=st.floats(0.01, 0.99), stop=st.integers(0))
def test_prioritize_stop_equals_transformers(
    seed: int, columns: int, min_eos_p: float, stop: int
) -> None:
    logits, stop = random_logits(seed, 4, columns), stop % columns
    logits[0, stop] += 9.0  # the first row stops, or nearly
    processor = BarkEosPrioritizerLogitsProcessor(stop, float(np.float32(min_eos_p)), device="cpu")
    expected = processor(nothing_behind(4), logits.clone())
    assert torch.equal(
        prioritize_stop(logits, torch.full((4, 1), min_eos_p), torch.full((4, 1), stop)), expected
    )


PARAMS = st.builds(
    SamplingParams,
    temperature=st.floats(0.1, 2.0),
    top_k=st.sampled_from([0, 1, 5, 50, 1000]),
    top_p=st.sampled_from([1.0, 0.9, 0.3]),
    greedy=st.booleans(),
    min_eos_p=st.sampled_from([None, 0.05, 0.5]),
)
ROWS = st.lists(st.tuples(PARAMS, UNIFORMS), min_size=1, max_size=6)


@settings(deadline=None)
@given(seed=SEEDS, rows=ROWS)
def test_rows_with_different_parameters_equal_single_rows(
    seed: int, rows: list[tuple[SamplingParams, float]]
) -> None:
    logits = random_logits(seed, len(rows), MODULO)
    params, draws = zip(*rows, strict=True)
    together = choose(logits, params, draws, stop=3)
    alone = [
        choose(logits[row : row + 1], params[row : row + 1], draws[row : row + 1], stop=3).item()
        for row in range(len(rows))
    ]
    assert together.tolist() == alone
    general = Warpers.for_rows(params).captured(MODULO, stops=True)
    assert choose(logits, params, draws, 3, general).tolist() == alone


@settings(deadline=None)
@given(
    seed=SEEDS,
    uniform=UNIFORMS,
    temperature=st.floats(0.2, 1.5),
    top_k=st.sampled_from([1, 5, 50]),
    top_p=st.sampled_from([0.9, 0.5]),
    min_eos_p=st.sampled_from([0.02, 0.2]),
)
def test_warpers_run_in_the_order_of_transformers(
    seed: int, uniform: float, temperature: float, top_k: int, top_p: float, min_eos_p: float
) -> None:
    logits = random_logits(seed, 1, MODULO)
    temperature, top_p, min_eos_p = map(float, np.float32([temperature, top_p, min_eos_p]))
    pipeline = LogitsProcessorList(
        [
            BarkEosPrioritizerLogitsProcessor(3, min_eos_p, device="cpu"),
            TemperatureLogitsWarper(temperature),
            TopKLogitsWarper(top_k),
            TopPLogitsWarper(top_p),
        ]
    )
    probabilities = pipeline(nothing_behind(1), logits.clone()).softmax(dim=-1)
    params = SamplingParams(temperature, top_k, top_p, min_eos_p=min_eos_p)
    ours = choose(logits, [params], [uniform], stop=3)
    assert torch.equal(ours, draw(probabilities, column(uniform)))


def test_greedy_takes_the_best_with_any_other_parameters() -> None:
    logits = random_logits(1, 2, MODULO)
    params = [
        SamplingParams(temperature=9.0, top_k=3, top_p=0.1, greedy=True),
        SamplingParams(top_k=3),
    ]
    chosen = choose(logits, params, [0.99, 0.99])
    assert chosen[0] == logits[0].argmax()


def test_min_eos_p_stops_a_greedy_row() -> None:
    logits = torch.tensor([[2.0, 1.9, 0.0], [2.0, 1.9, 0.0]])
    params = [SamplingParams(greedy=True, min_eos_p=0.2), SamplingParams(greedy=True)]
    assert choose(logits, params, [0.0, 0.0], stop=1).tolist() == [1, 0]


def test_top_p_of_one_leaves_its_row_unchanged_in_a_batch() -> None:
    logits = random_logits(2, 2, MODULO)
    kept = keep_top_p(logits, column(1.0, 0.5))
    assert torch.equal(kept[0], logits[0])
    assert torch.isinf(kept[1]).any()


@settings(deadline=None)
@given(
    weights=st.lists(st.integers(0, 20), min_size=1, max_size=50).filter(any),
    uniform=UNIFORMS,
)
def test_draw_inverts_the_cumulative_distribution(weights: list[int], uniform: float) -> None:
    probabilities = np.array(weights, dtype=np.float32) / np.float32(sum(weights))
    cumulated = torch.from_numpy(probabilities).cumsum(0).numpy()
    expected = int(np.searchsorted(cumulated, np.float32(uniform) * cumulated[-1], side="right"))
    last = int(np.flatnonzero(probabilities)[-1])
    drawn = draw(torch.from_numpy(probabilities)[None], column(uniform))
    assert drawn.tolist() == [min(expected, last)]


@settings(deadline=None, max_examples=200)
@given(seed=SEEDS, columns=st.integers(1, 300), uniform=UNIFORMS)
def test_draw_never_takes_a_token_of_probability_zero(
    seed: int, columns: int, uniform: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(1, columns, generator=generator).softmax(dim=-1)
    probabilities *= torch.rand(1, columns, generator=generator) < 0.3
    probabilities[0, seed % columns] = 0.5
    for number in (uniform, 0.0, 1.0 - 2.0**-24):
        chosen = int(draw(probabilities, column(number)))
        assert 0 <= chosen < columns
        assert probabilities[0, chosen] > 0


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 1), (1.0 - 2.0**-24, 3)])
def test_draw_takes_first_and_last_token_for_extreme_uniforms(
    uniform: float, expected: int
) -> None:
    probabilities = torch.tensor([[0.0, 0.25, 0.5, 0.25, 0.0]])
    assert int(draw(probabilities, column(uniform))) == expected


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0, 2.0]])
    uniforms = ((torch.arange(10_000) + 0.5) / 10_000)[:, None]
    drawn = draw((logits / 0.7).softmax(dim=-1).expand(10_000, 4), uniforms)
    shares = torch.bincount(drawn, minlength=4) / 10_000
    torch.testing.assert_close(shares, (logits[0] / 0.7).softmax(dim=-1), atol=2e-4, rtol=0)


def test_sample_leaves_logits_unchanged() -> None:
    logits = random_logits(3, 2, MODULO)
    before = logits.clone()
    params = SamplingParams(temperature=0.5, top_k=5, top_p=0.5, min_eos_p=0.01)
    choose(logits, [params, params], [0.1, 0.9])
    assert torch.equal(logits, before)
