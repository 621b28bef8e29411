"""Coarse codes of a real, tiny model do not depend on how semantic tokens arrive."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun, coarse_heads
from barkserve.coarse.windows import CoarseGeometry, CoarseHistory, cut_history, no_history
from barkserve.engine.batch import Batch, Integers, Prefill
from barkserve.engine.engine import Engine
from barkserve.engine.limits import Limits
from barkserve.engine.model_runner import Flight, ModelRunner
from barkserve.engine.request import SamplingParams
from barkserve.models.causal import CausalModel
from barkserve.models.loading import Placement, load_coarse
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, random_voice
from tests.support.fakes import engine_over

GREEDY = SamplingParams(greedy=True)
SAMPLED = SamplingParams(temperature=0.8, top_k=30)
HOT = SamplingParams(temperature=9.0)
VOICES = st.sampled_from([None, 8, 150])  # none; shorter and longer than the windows


@dataclass
class CountingRunner:
    """A real runner that records the slots and the length of each step."""

    inner: ModelRunner
    lengths: list[int] = field(default_factory=list)
    owners: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def limits(self) -> Limits:
        return self.inner.limits

    def launch(self, batch: Batch, proceed: Callable[[], bool]) -> Flight:
        self.owners.append(tuple(batch.slots.tolist()))
        return self.inner.launch(batch, proceed)

    def collect(self, flight: Flight) -> Integers:
        drawn = self.inner.collect(flight)
        if isinstance(flight.batch, Prefill):
            self.lengths.append(int(flight.batch.lengths[0]))
        else:
            self.lengths += [1] * len(drawn)
        return drawn

    @property
    def prefills(self) -> int:
        return sum(length > 1 for length in self.lengths)


@dataclass
class Coarse:
    """The coarse stage of one checkpoint."""

    spec: CheckpointSpec
    config: BarkConfig
    model: CausalModel

    def runner(self, slots: int = 4) -> CountingRunner:
        return CountingRunner(ModelRunner(self.model, coarse_heads(self.config), slots))

    def request(
        self,
        sampling: SamplingParams,
        voice: int | None = None,
        produced: np.ndarray | None = None,
        seed: int = 1,
    ) -> CoarseRequest:
        if produced is None:
            produced = np.empty((0, 2), dtype=np.int64)
        return CoarseRequest(self.history(voice), sampling, seed, produced)

    def history(self, voice: int | None) -> CoarseHistory:
        if voice is None:
            return no_history()
        arrays = random_voice(self.spec, voice, seed=3)
        geometry = CoarseGeometry.from_config(self.config)
        return cut_history(arrays["semantic_prompt"], arrays["coarse_prompt"].T, geometry)

    def make(
        self, request: CoarseRequest, pieces: Sequence[Sequence[int]], runner: CountingRunner | None
    ) -> np.ndarray:
        """Generate one utterance on an engine of its own: (n, 2) codes."""

        async def alone() -> np.ndarray:
            async with engine_over(runner or self.runner()) as engine:
                return await self.collect(engine, request, pieces)

        return asyncio.run(alone())

    async def collect(
        self, engine: Engine, request: CoarseRequest, pieces: Sequence[Sequence[int]]
    ) -> np.ndarray:
        generator, run = CoarseGenerator(engine, self.config), CoarseRun()
        frames = [frames async for frames in generator.generate(request, arriving(pieces), run)]
        assert all(len(piece) for piece in frames)
        codes = np.concatenate([np.empty((0, 2), dtype=np.int64), *frames])
        assert run.made == request.produced.size + codes.size
        return codes


@pytest.fixture(scope="module", params=[TINY, ODD], ids=["tiny", "odd"])
def coarse(
    request: pytest.FixtureRequest, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> Coarse:
    return built(request.param, checkpoint_of)


@pytest.fixture(scope="module")
def tiny(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Coarse:
    return built(TINY, checkpoint_of)


def built(spec: CheckpointSpec, checkpoint_of: Callable[[CheckpointSpec], Path]) -> Coarse:
    checkpoint = Checkpoint.open(checkpoint_of(spec))
    placement = Placement(torch.device("cpu"), torch.float32, "sdpa")
    return Coarse(spec, checkpoint.bark, load_coarse(checkpoint, placement))


async def arriving(pieces: Sequence[Sequence[int]]) -> AsyncIterator[list[int]]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield list(piece)


def semantic_tokens(spec: CheckpointSpec, count: int, seed: int = 0) -> list[int]:
    tokens = np.random.default_rng(seed).integers(0, spec.semantic_vocab_size, count)
    return list(map(int, tokens))


def cut(tokens: list[int], sizes: list[int]) -> list[list[int]]:
    """Yield chunks of these sizes, then the rest token by token."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(tokens[start : start + size])
        start += size
    return [piece for piece in pieces if piece] + [[token] for token in tokens[start:]]


@settings(max_examples=8, deadline=None)
@given(
    voice=VOICES,
    sampling=st.sampled_from([GREEDY, SAMPLED]),
    count=st.integers(0, 60),
    sizes=st.lists(st.integers(1, 25), max_size=10),
)
def test_streamed_codes_equal_offline_ones(
    coarse: Coarse, voice: int | None, sampling: SamplingParams, count: int, sizes: list[int]
) -> None:
    tokens = semantic_tokens(coarse.spec, count)
    request = coarse.request(sampling, voice)
    offline = coarse.make(request, [tokens], None)
    assert len(offline) == CoarseGeometry.from_config(coarse.config).total(count) // 2
    streamed = coarse.make(request, cut(tokens, sizes), None)
    np.testing.assert_array_equal(streamed, offline)


@settings(max_examples=8, deadline=None)
@given(voice=VOICES, sampling=st.sampled_from([GREEDY, SAMPLED, HOT]), share=st.floats(0, 1))
def test_resumed_codes_equal_uninterrupted_ones(
    coarse: Coarse, voice: int | None, sampling: SamplingParams, share: float
) -> None:
    tokens = semantic_tokens(coarse.spec, 45)
    whole = coarse.make(coarse.request(sampling, voice), [tokens], None)
    have = round(share * len(whole))
    request = coarse.request(sampling, voice, whole[:have])
    np.testing.assert_array_equal(coarse.make(request, [tokens], None), whole[have:])


def test_codes_after_the_last_codebook_are_kept(tiny: Coarse) -> None:
    tokens = semantic_tokens(TINY, 60)
    whole = tiny.make(tiny.request(HOT), [tokens], None)
    beyond = whole[:, 1] >= TINY.codebook_size
    assert beyond.any()  # otherwise the test needs another seed
    assert whole[:, 1].max() < tiny.config.coarse_code_limit
    assert whole[:, 0].max() < TINY.codebook_size
    have = int(np.flatnonzero(beyond)[0]) + 1
    resumed = tiny.make(tiny.request(HOT, produced=whole[:have]), [tokens], None)
    np.testing.assert_array_equal(resumed, whole[have:])


def test_other_seeds_and_voices_give_other_codes(tiny: Coarse) -> None:
    tokens = semantic_tokens(TINY, 30)
    codes = tiny.make(tiny.request(SAMPLED), [tokens], None)
    assert (codes != tiny.make(tiny.request(SAMPLED, seed=2), [tokens], None)).any()
    assert (codes != tiny.make(tiny.request(SAMPLED, 40), [tokens], None)).any()


def test_growing_window_computes_nothing_twice(tiny: Coarse) -> None:
    """26 semantic tokens give 78 codes, the most that a window of this checkpoint reads."""
    runner = tiny.runner()
    assert tiny.make(tiny.request(GREEDY), [semantic_tokens(TINY, 26)], runner).size == 78
    assert sum(runner.lengths) == (32 + 1) + 78 - 1  # prompt, and all codes but the last
    assert runner.prefills == 1


def test_sliding_window_is_prefilled_once(tiny: Coarse) -> None:
    """45 semantic tokens give 134 codes, 17 windows of 8; the first ten only grow."""
    runner = tiny.runner()
    assert tiny.make(tiny.request(GREEDY), [semantic_tokens(TINY, 45)], runner).size == 134
    assert runner.prefills == 1 + 7
    assert len(runner.lengths) == 134


async def test_batched_streams_equal_single_ones(coarse: Coarse) -> None:
    cases = [(20, None, GREEDY), (60, 150, SAMPLED), (35, 8, SAMPLED), (50, None, SAMPLED)]
    jobs = [
        (coarse.request(sampling, voice, seed=count), [semantic_tokens(coarse.spec, count, count)])
        for count, voice, sampling in cases
    ]
    alone = []
    for request, pieces in jobs:
        async with engine_over(coarse.runner()) as engine:
            alone.append(await coarse.collect(engine, request, pieces))
    async with engine_over(coarse.runner(slots=2)) as engine:  # fewer than streams: evictions
        together = await asyncio.gather(*(coarse.collect(engine, *job) for job in jobs))
    for ours, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("leave_after", [0, 1, 8, 9, 1000])
async def test_stopped_consumer_frees_its_slot(tiny: Coarse, leave_after: int) -> None:
    runner, tokens = tiny.runner(), semantic_tokens(TINY, 30)
    async with engine_over(runner) as engine:
        generator = CoarseGenerator(engine, tiny.config)
        request = tiny.request(GREEDY)
        async with aclosing(generator.generate(request, arriving([tokens]), CoarseRun())) as steps:
            for _ in range(leave_after):
                if await anext(steps, None) is None:
                    break
        assert (engine.free_slots, engine.running, engine.waiting) == (4, 0, 0)
        await tiny.collect(engine, request, [tokens])
    # The lowest free slot is taken first: it was neither in use nor held.
    assert set(runner.owners) == {(0,)}


async def test_codes_arrive_before_the_semantic_tokens_end(tiny: Coarse) -> None:
    ended = asyncio.Event()
    tokens = semantic_tokens(TINY, 60)

    async def endless() -> AsyncIterator[list[int]]:
        yield tokens
        await ended.wait()

    async with engine_over(tiny.runner()) as engine:
        generator = CoarseGenerator(engine, tiny.config)
        async with aclosing(
            generator.generate(tiny.request(GREEDY), endless(), CoarseRun())
        ) as steps:
            first = await anext(steps)
            assert not ended.is_set()
            ended.set()
            rest = [frames async for frames in steps]
    offline = await asyncio.to_thread(tiny.make, tiny.request(GREEDY), [tokens], None)
    np.testing.assert_array_equal(np.concatenate([first, *rest]), offline)


def test_heads_equal_the_alternating_codebooks(tiny: Coarse) -> None:
    first, second = coarse_heads(tiny.config)
    base, size = TINY.semantic_vocab_size, TINY.codebook_size
    np.testing.assert_array_equal(first, np.arange(base, base + size))
    np.testing.assert_array_equal(second, np.arange(base + size, TINY.coarse_vocab_size))


def test_too_few_semantic_tokens_give_no_frame(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    slow = built(replace(TINY, coarse_rate_hz=20), checkpoint_of)
    assert slow.make(slow.request(GREEDY), [semantic_tokens(TINY, 2)], None).size == 0
