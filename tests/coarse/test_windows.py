"""Which tokens each coarse window reads, and when it can run."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.bark.modeling_bark import BarkCoarseModel

from barkserve.coarse.windows import (
    CoarseGeometry,
    CoarseHistory,
    WindowPlan,
    cut_history,
    no_history,
)

SUNO = CoarseGeometry(
    ratio=75 / 49.9 * 2,
    codebooks=2,
    codebook_size=1024,
    semantic_vocab_size=10_000,
    pad_token=12_048,
    infer_token=12_050,
    max_input=256,
    max_history=630,
    window=60,
)
SMALL = replace(SUNO, max_input=32, max_history=78, window=8)
SLOW = replace(SUNO, ratio=2.5, max_input=19, max_history=41, window=14)
GEOMETRIES = st.sampled_from([SUNO, SMALL, SLOW])


@pytest.mark.parametrize("ratio", [75 / 49.9 * 2, 2.5, 3.0, 50 / 40 * 2, 75 / 49.95 * 2, 1.1])
def test_total_equals_float32_arithmetic_of_the_reference(ratio: float) -> None:
    counts = torch.arange(2001)
    frames = torch.floor(counts * ratio / 2)
    expected = torch.round(frames * 2).int().tolist()
    geometry = replace(SUNO, ratio=ratio)
    assert [geometry.total(count) for count in range(2001)] == expected


def test_geometry_of_suno() -> None:
    assert SUNO.max_semantic_history == 209
    assert [SUNO.total(count) for count in (0, 1, 2, 768)] == [0, 2, 6, 2308]


def prompts(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw (n,) semantic tokens and (m, 2) codes."""
    return np.arange(n) % 10_000, np.arange(2 * m).reshape(m, 2) % 1024


@pytest.mark.parametrize("geometry", [SUNO, SMALL, SLOW], ids=["suno", "small", "slow"])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 24, 25, 26, 208, 209, 210, 211, 400])
@pytest.mark.parametrize("spare", [-20, -1, 0, 1, 100])
def test_cut_history_equals_transformers(geometry: CoarseGeometry, n: int, spare: int) -> None:
    frames = max(4, int(n * geometry.ratio / 2) + spare)
    semantic, coarse = prompts(n, frames)
    voice = {"semantic_prompt": semantic, "coarse_prompt": coarse.T}
    expected_semantic, expected_coarse = BarkCoarseModel.preprocess_histories(
        None,
        geometry.max_history,
        geometry.ratio,
        1,
        SimpleNamespace(semantic_vocab_size=geometry.semantic_vocab_size),
        geometry.codebook_size,
        {name: torch.from_numpy(array) for name, array in voice.items()},
    )
    history = cut_history(semantic, coarse, geometry)
    np.testing.assert_array_equal(history.semantic, expected_semantic[0].numpy())
    np.testing.assert_array_equal(history.coarse, expected_coarse[0].numpy())


def first_moments(plan: WindowPlan, windows: int) -> list[int]:
    """List the number of known semantic tokens at which each window can run."""
    moments = []
    for window in range(windows):
        while not plan.ready(window * SUNO.window):
            plan.push([1])
        moments.append(plan.semantic_count)
    return moments


def test_window_with_full_history_needs_47_tokens_ahead() -> None:
    history = cut_history(*prompts(500, 800), SUNO)
    assert (len(history.semantic), len(history.coarse)) == (209, 626)
    moments = first_moments(WindowPlan(SUNO, history), 30)
    assert moments[:13] == [47 + 20 * window for window in range(13)]
    assert moments == [47 + round(60 * window / SUNO.ratio) for window in range(30)]


def test_first_eleven_windows_read_256_tokens_without_history() -> None:
    moments = first_moments(WindowPlan(SUNO, no_history()), 20)
    assert moments[:14] == [256] * 11 + [267, 287, 306]
    assert all(later - earlier in (19, 20) for earlier, later in pairwise(moments[11:]))


def test_window_after_an_early_end_is_padded() -> None:
    plan = WindowPlan(SUNO, no_history())
    plan.push([5, 6, 7])
    assert not plan.ready(0)
    plan.end()
    assert (plan.ready(0), plan.total, plan.length(0)) == (True, 8, 8)
    expected = [5, 6, 7] + [12_048] * 253 + [12_050]
    assert plan.prompt(np.empty(0, dtype=np.int64)).tolist() == expected
    assert (plan.complete(6), plan.complete(8), plan.ready(8)) == (False, True, False)


def test_empty_utterance_is_complete() -> None:
    plan = WindowPlan(SUNO, no_history())
    assert not plan.complete(0)
    plan.end()
    assert plan.complete(0)
    assert not plan.ready(0)


def random_history(geometry: CoarseGeometry, length: int) -> CoarseHistory:
    frames = int(length * geometry.ratio / 2) + 3
    return cut_history(*prompts(length, frames), geometry) if length >= 4 else no_history()


@settings(deadline=None)
@given(
    geometry=GEOMETRIES,
    history_length=st.integers(0, 300),
    pieces=st.lists(st.integers(1, 60), max_size=30),
)
def test_early_window_reads_the_same_as_at_the_end(
    geometry: CoarseGeometry, history_length: int, pieces: list[int]
) -> None:
    history = random_history(geometry, history_length)
    semantic = (np.arange(sum(pieces)) * 7 % 9973).tolist()
    offline = WindowPlan(geometry, history)
    offline.push(semantic)
    offline.end()
    coarse = 10_000 + np.arange(offline.total) % 2048
    plan, made, pushed = WindowPlan(geometry, history), 0, 0
    for piece in [*pieces, 0]:
        plan.push(semantic[pushed : pushed + piece])
        pushed += piece
        if piece == 0:
            plan.end()
        while plan.ready(made):
            assert plan.length(made) == offline.length(made)
            np.testing.assert_array_equal(plan.prompt(coarse[:made]), offline.prompt(coarse[:made]))
            made += plan.length(made)
    assert made == offline.total == plan.total
    assert plan.complete(made)


@settings(deadline=None)
@given(geometry=GEOMETRIES, history_length=st.integers(0, 300), count=st.integers(1, 400))
def test_window_waits_only_for_what_it_reads(
    geometry: CoarseGeometry, history_length: int, count: int
) -> None:
    """A window that is not ready would change: it would be padded or shorter."""
    plan = WindowPlan(geometry, random_history(geometry, history_length))
    plan.push(list(range(count)))
    coarse = 10_000 + np.arange(plan.total) % 2048
    for made in range(0, plan.total, geometry.window):
        if not plan.ready(made):
            padded = geometry.pad_token in plan.prompt(coarse[:made])[: geometry.max_input]
            assert padded or plan.length(made) < geometry.window
