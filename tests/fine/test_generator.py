"""All codebooks of an utterance, exact and streaming, with a real and a fake model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.constants import DrawStream
from barkserve.engine.batcher import Batcher
from barkserve.engine.draws import uniforms
from barkserve.fine.filler import Filler
from barkserve.fine.generator import Codes, FineGenerator, FineRequest, FineRun
from barkserve.fine.job import FillJob
from barkserve.fine.windows import ChunkPlan
from barkserve.models.loading import Placement, load_fine
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, random_voice, reference
from tests.support.fakes import FakeFiller, Gate, until

Fill = Callable[[list[FillJob]], list[Codes]]
CheckpointOf = Callable[[CheckpointSpec], Path]
PLAN = ChunkPlan(first=9, growth=1.5, most=14, lookahead=6)
NO_VOICE = -1
VOICES = st.sampled_from([NO_VOICE, 5, 150])  # none; shorter and longer than the windows


@dataclass
class Fine:
    """The fine stage of one checkpoint."""

    spec: CheckpointSpec
    config: BarkConfig
    folder: Path
    filler: Filler

    def coarse(self, frames: int, seed: int = 0) -> Codes:
        """Draw (n, 2) random codes."""
        return np.random.default_rng(seed).integers(0, self.spec.codebook_size, (frames, 2))

    def voice(self, length: int) -> Codes:
        """(h, books)."""
        if length == NO_VOICE:
            return np.empty((0, self.spec.n_fine_codebooks), dtype=np.int64)
        return random_voice(self.spec, length, seed=5)["fine_prompt"].T

    def request(
        self,
        chunks: ChunkPlan | None,
        temperature: float | None = None,
        voice: int = NO_VOICE,
        produced: Codes | None = None,
        seed: int = 1,
    ) -> FineRequest:
        produced = self.voice(NO_VOICE) if produced is None else produced
        return FineRequest(self.voice(voice), temperature, seed, chunks, produced)

    def make(
        self, request: FineRequest, pieces: Sequence[Codes], fill: Fill | None = None
    ) -> list[Codes]:
        """Collect the output chunks."""

        async def alone() -> list[Codes]:
            batcher = Batcher(fill or self.filler.fill, 1)
            await batcher.start()
            try:
                generator, run = FineGenerator(batcher, self.config), FineRun()
                made = [piece async for piece in generator.generate(request, arriving(pieces), run)]
            finally:
                await batcher.stop()
            assert run.made == len(request.produced) + sum(map(len, made))
            return made

        return asyncio.run(alone())

    def whole(self, request: FineRequest, pieces: Sequence[Codes]) -> Codes:
        return np.concatenate([self.voice(NO_VOICE), *self.make(request, pieces)])


async def arriving(pieces: Sequence[Codes]) -> AsyncIterator[Codes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


def cut(codes: Codes, sizes: list[int]) -> list[Codes]:
    """Split into chunks of these sizes and the rest."""
    ends = np.minimum(np.cumsum([0, *sizes]), len(codes))
    return [codes[a:b] for a, b in zip(ends, [*ends[1:], len(codes)], strict=True) if b > a]


def built(spec: CheckpointSpec, checkpoint_of: CheckpointOf) -> Fine:
    folder = checkpoint_of(spec)
    checkpoint = Checkpoint.open(folder)
    model = load_fine(checkpoint, Placement(torch.device("cpu"), torch.float32, "sdpa"))
    filler = Filler(model, 2, spec.n_fine_codebooks, spec.codebook_size)
    return Fine(spec, checkpoint.bark, folder, filler)


@pytest.fixture(scope="module", params=[TINY, ODD], ids=["tiny", "odd"])
def fine(request: pytest.FixtureRequest, checkpoint_of: CheckpointOf) -> Fine:
    return built(request.param, checkpoint_of)


@pytest.fixture(scope="module")
def tiny(checkpoint_of: CheckpointOf) -> Fine:
    return built(TINY, checkpoint_of)


def transformers_codes(fine: Fine, coarse: Codes, voice: Codes) -> Codes:
    """Run BarkFineModel.generate, greedy: (n, books)."""
    spec = fine.spec
    offsets = spec.semantic_vocab_size + np.array([0, spec.codebook_size])
    history = {"fine_prompt": torch.from_numpy(voice.T.copy())} if len(voice) else None
    codes = reference(fine.folder).fine_acoustics.generate(
        torch.from_numpy((coarse + offsets).reshape(1, -1)),
        SimpleNamespace(semantic_vocab_size=spec.semantic_vocab_size),
        SimpleNamespace(n_coarse_codebooks=2),
        SimpleNamespace(
            temperature=None,
            max_fine_history_length=spec.max_fine_history_length,
            max_fine_input_length=spec.max_fine_input_length,
            n_fine_codebooks=spec.n_fine_codebooks,
        ),
        codebook_size=spec.codebook_size,
        history_prompt=history,
    )
    return codes[0].T.numpy()


@pytest.mark.parametrize("voice", [NO_VOICE, 5, 150], ids=["no voice", "short", "long"])
@pytest.mark.parametrize("frames", [1, 20, 45, 46, 128, 129, 300])
def test_exact_codes_equal_transformers(fine: Fine, voice: int, frames: int) -> None:
    coarse = fine.coarse(frames, seed=frames)
    expected = transformers_codes(fine, coarse, fine.voice(voice))
    np.testing.assert_array_equal(fine.whole(fine.request(None, voice=voice), [coarse]), expected)


def test_codes_after_the_codebook_are_taken_modulo_its_size(tiny: Fine) -> None:
    coarse = tiny.coarse(30)
    coarse[::3, 1] += tiny.spec.codebook_size  # as the coarse model can draw them
    expected = transformers_codes(tiny, coarse, tiny.voice(NO_VOICE))
    np.testing.assert_array_equal(tiny.whole(tiny.request(None), [coarse]), expected)


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_short_streamed_utterance_equals_exact(fine: Fine, temperature: float | None) -> None:
    coarse = fine.coarse(PLAN.first + PLAN.lookahead - 1)
    streamed = fine.make(fine.request(PLAN, temperature, voice=5), [coarse])
    exact = fine.whole(fine.request(None, temperature, voice=5), [coarse])
    assert len(streamed) == 1
    np.testing.assert_array_equal(streamed[0], exact)


@settings(max_examples=6, deadline=None)
@given(
    voice=VOICES,
    temperature=st.sampled_from([None, 0.5]),
    chunks=st.sampled_from([PLAN, None]),
    frames=st.integers(0, 160),
    sizes=st.lists(st.integers(1, 40), max_size=6),
)
def test_codes_do_not_depend_on_how_frames_arrive(
    fine: Fine,
    voice: int,
    temperature: float | None,
    chunks: ChunkPlan | None,
    frames: int,
    sizes: list[int],
) -> None:
    coarse, request = fine.coarse(frames), fine.request(chunks, temperature, voice)
    expected = fine.make(request, [coarse] if frames else [])
    made = fine.make(request, cut(coarse, sizes))
    assert [piece.tolist() for piece in made] == [piece.tolist() for piece in expected]
    np.testing.assert_array_equal(fine.whole(request, [coarse])[:, :2], coarse)


@settings(max_examples=6, deadline=None)
@given(
    voice=VOICES,
    temperature=st.sampled_from([None, 0.5]),
    chunks=st.sampled_from([PLAN, None]),
    frames=st.integers(1, 160),
    share=st.floats(0, 1),
)
def test_resumed_codes_equal_uninterrupted_ones(
    fine: Fine,
    voice: int,
    temperature: float | None,
    chunks: ChunkPlan | None,
    frames: int,
    share: float,
) -> None:
    coarse = fine.coarse(frames)
    whole = fine.whole(fine.request(chunks, temperature, voice), [coarse])
    have = round(share * frames)
    resumed = fine.whole(fine.request(chunks, temperature, voice, whole[:have]), [coarse])
    np.testing.assert_array_equal(resumed, whole[have:])


@settings(deadline=None, max_examples=60)
@given(
    plan=st.builds(
        ChunkPlan, st.integers(1, 30), st.floats(1, 3), st.integers(1, 40), st.integers(0, 30)
    ),
    frames=st.integers(0, 200),
    voice=VOICES,
    sizes=st.lists(st.integers(1, 50), max_size=6),
    produced=st.integers(0, 200),
)
def test_frames_are_released_once_and_in_order(
    tiny: Fine, plan: ChunkPlan, frames: int, voice: int, sizes: list[int], produced: int
) -> None:
    coarse = tiny.coarse(frames)
    fake = FakeFiller(2, 8, tiny.spec.codebook_size)
    expected = fake.filled(np.concatenate([coarse, np.zeros((frames, 6), np.int64)], axis=1))
    request = tiny.request(plan, voice=voice, produced=expected[:produced])
    pieces = tiny.make(request, cut(coarse, sizes), fake.fill)
    assert all(len(piece) for piece in pieces)
    made = np.concatenate([expected[:produced], *pieces])
    np.testing.assert_array_equal(made, expected)


def test_frame_is_released_as_soon_as_it_has_its_lookahead(tiny: Fine) -> None:
    given_so_far: list[int] = []

    async def one_by_one() -> AsyncIterator[Codes]:
        for frame in range(50):
            given_so_far.append(frame)
            yield tiny.coarse(1, seed=frame)

    async def scenario() -> list[tuple[int, int]]:
        batcher = Batcher(tiny.filler.fill, 1)
        await batcher.start()
        generator = FineGenerator(batcher, tiny.config)
        steps = generator.generate(tiny.request(PLAN), one_by_one(), FineRun())
        moments = [(len(given_so_far), len(piece)) async for piece in steps]
        await batcher.stop()
        return moments

    # 9 frames at 9 + 6 known ones, then 1.5 times as many, at most 14; at the end the rest
    assert asyncio.run(scenario()) == [(15, 9), (28, 13), (42, 14), (50, 14)]


def test_empty_utterance_gives_nothing(tiny: Fine) -> None:
    assert tiny.make(tiny.request(None), []) == tiny.make(tiny.request(PLAN), []) == []


def test_sampling_depends_on_the_seed_only(fine: Fine) -> None:
    coarse = fine.coarse(60)
    codes = fine.whole(fine.request(PLAN, 0.5), [coarse])
    np.testing.assert_array_equal(fine.whole(fine.request(PLAN, 0.5), [coarse]), codes)
    assert (fine.whole(fine.request(PLAN, 0.5, seed=2), [coarse]) != codes).any()
    assert (fine.whole(fine.request(PLAN, None), [coarse]) != codes).any()


@dataclass
class RecordingFiller(FakeFiller):
    """Records its jobs."""

    jobs: list[FillJob] = field(default_factory=list)

    def fill(self, jobs: list[FillJob]) -> list[Codes]:
        self.jobs += jobs
        return super().fill(jobs)


@pytest.mark.parametrize(
    "chunks", [None, PLAN, ChunkPlan(1, 1, 1, 0)], ids=["exact", "plan", "ones"]
)
@pytest.mark.parametrize("voice", [NO_VOICE, 5, 150])
def test_draws_depend_on_the_frame_in_the_utterance_only(
    tiny: Fine, chunks: ChunkPlan | None, voice: int
) -> None:
    frames = 40  # with the longest history they fit into one window
    filler = RecordingFiller(2, 8, tiny.spec.codebook_size)
    tiny.make(tiny.request(chunks, 0.5, voice, seed=9), [tiny.coarse(frames)], filler.fill)
    expected = uniforms(9, DrawStream.FINE, 0, frames * 8).reshape(frames, 8)
    history = min(len(tiny.voice(voice)), tiny.spec.max_fine_history_length)
    assert filler.jobs
    for job in filler.jobs:
        np.testing.assert_array_equal(job.uniforms[history : history + frames], expected)


def random_job(fine: Fine, seed: int, fill_from: int, temperature: float | None) -> FillJob:
    length, books = fine.spec.max_fine_input_length, fine.spec.n_fine_codebooks
    codes = np.random.default_rng(seed).integers(0, fine.spec.codebook_size, (length, books))
    draws = uniforms(seed, DrawStream.FINE, 0, length * books).reshape(length, books)
    return FillJob(codes, fill_from, temperature, draws)


def test_batched_jobs_equal_single_ones(fine: Fine) -> None:
    shapes = [(0, None), (30, 0.5), (7, None), (44, 0.9)]
    jobs = [random_job(fine, seed, *shape) for seed, shape in enumerate(shapes)]
    together = fine.filler.fill(jobs)
    for job, codes in zip(jobs, together, strict=True):
        np.testing.assert_array_equal(codes, fine.filler.fill([job])[0])
        np.testing.assert_array_equal(codes[: job.fill_from], job.codes[: job.fill_from])
        np.testing.assert_array_equal(codes[:, :2], job.codes[:, :2])
        assert (codes != job.codes).any()
        assert codes.max() < fine.spec.codebook_size


async def test_concurrent_streams_share_passes(tiny: Fine) -> None:
    fake = FakeFiller(2, 8, tiny.spec.codebook_size, gate=Gate())
    batcher = Batcher(fake.fill, 4)
    await batcher.start()

    async def follow(number: int) -> Codes:
        generator = FineGenerator(batcher, tiny.config)
        pieces = arriving([tiny.coarse(20, seed=number)])
        (codes,) = [c async for c in generator.generate(tiny.request(None), pieces, FineRun())]
        return codes

    tasks = [asyncio.create_task(follow(0))]
    await until(lambda: fake.batches == [1])
    tasks += [asyncio.create_task(follow(number)) for number in range(1, 5)]
    await until(lambda: batcher.waiting == 4)
    fake.gate.open()
    for number, codes in enumerate(await asyncio.gather(*tasks)):
        np.testing.assert_array_equal(codes[:, :2], tiny.coarse(20, seed=number))
    assert fake.batches == [1, 4]
    await batcher.stop()
