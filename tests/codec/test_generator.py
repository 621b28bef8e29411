"""Samples do not depend on how frames arrive or on concurrent streams."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.checkpoint.codec import Codec
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.codec.decoder import Decoder
from barkserve.codec.generator import CodecGenerator, CodecRun
from barkserve.codec.job import Decoded, DecodeJob, batch_key, max_job_frames
from barkserve.engine.batcher import Batcher
from barkserve.models.encodec import EncodecDecoder
from barkserve.models.loading import Placement, load_codec
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference
from tests.support.fakes import FakeCodec, FakeDecoder, Gate, until

CheckpointOf = Callable[[CheckpointSpec], Path]
Loaded = tuple[CheckpointSpec, Path, EncodecDecoder]
CODEC = FakeCodec()
MAX_FRAMES = max_job_frames(CODEC)
HOP = 4


@pytest.fixture(scope="module", params=[TINY, ODD], ids=["tiny", "odd"])
def codec(request: pytest.FixtureRequest, checkpoint_of: CheckpointOf) -> Loaded:
    folder = checkpoint_of(request.param)
    placement = Placement(torch.device("cpu"), torch.float32, "sdpa")
    return request.param, folder, load_codec(Checkpoint.open(folder), placement)


def random_codes(frames: int, books: int = 8, size: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, size, (frames, books))


async def arriving(chunks: Sequence[np.ndarray]) -> AsyncIterator[np.ndarray]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def cut(codes: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Split into chunks of these sizes and the rest."""
    ends = np.minimum(np.cumsum([0, *sizes]), len(codes))
    return [codes[a:b] for a, b in zip(ends, [*ends[1:], len(codes)], strict=True) if b > a]


async def decode(
    generator: CodecGenerator, chunks: Sequence[np.ndarray], produced: int = 0
) -> np.ndarray:
    run = CodecRun()
    outputs = [samples async for samples in generator.generate(arriving(chunks), produced, run)]
    assert all(len(samples) for samples in outputs)
    samples = np.concatenate([np.empty(0, dtype=np.float32), *outputs])
    assert run.made == produced + len(samples)
    return samples


def decode_all(
    decoder: Decoder | FakeDecoder,
    codec: Codec,
    utterances: Sequence[Sequence[np.ndarray]],
    produced: int = 0,
    max_batch: int = 4,
) -> list[np.ndarray]:
    """Decode several utterances concurrently."""

    async def scenario() -> list[np.ndarray]:
        batcher = Batcher(decoder.decode, max_batch)
        await batcher.start()
        try:
            generator = CodecGenerator(batcher, codec)
            jobs = (decode(generator, chunks, produced) for chunks in utterances)
            return list(await asyncio.gather(*jobs))
        finally:
            await batcher.stop()

    return asyncio.run(scenario())


def transformers_samples(folder: Path, codes: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return reference(folder).codec_decode(torch.from_numpy(codes.T[None])).numpy()[0]


@settings(max_examples=5, deadline=None)
@given(frames=st.integers(1, 180), sizes=st.lists(st.integers(1, 50), max_size=8))
def test_samples_equal_transformers_for_any_split(
    codec: Loaded, frames: int, sizes: list[int]
) -> None:
    spec, folder, model = codec
    codes = random_codes(frames, spec.n_fine_codebooks, spec.codebook_size)
    expected = transformers_samples(folder, codes)
    (samples,) = decode_all(Decoder(model), model.config, [cut(codes, sizes)])
    np.testing.assert_allclose(samples, expected, atol=2e-6)


def test_concurrent_streams_equal_transformers(codec: Loaded) -> None:
    spec, folder, model = codec
    utterances = [
        random_codes(frames, spec.n_fine_codebooks, spec.codebook_size, seed=frames)
        for frames in (3, 40, 80, 81, 120)
    ]
    chunks = [cut(codes, [10] * 12) for codes in utterances]
    decoded = decode_all(Decoder(model), model.config, chunks)
    for samples, codes in zip(decoded, utterances, strict=True):
        np.testing.assert_allclose(samples, transformers_samples(folder, codes), atol=2e-6)


@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.lists(st.integers(1, MAX_FRAMES), min_size=3), min_size=2, max_size=4))
def test_batched_chunks_of_any_length_equal_single_ones(
    codec: Loaded, sizes: list[list[int]]
) -> None:
    """Each row equals the same row decoded alone in every batch, whatever its padding."""
    spec, _, model = codec
    decoder = Decoder(model)
    books, size = spec.n_fine_codebooks, spec.codebook_size
    begun = [
        decoder.decode([DecodeJob(random_codes(20, books, size, row), None)])[0]
        for row in range(len(sizes))
    ]
    together, alone = [each.state for each in begun], [each.state for each in begun]
    for turn, lengths in enumerate(zip(*sizes, strict=False)):
        codes = [random_codes(n, books, size, 99 * turn + row) for row, n in enumerate(lengths)]
        passed = decoder.decode([DecodeJob(*job) for job in zip(codes, together, strict=True)])
        for row, job in enumerate(zip(codes, alone, strict=True)):
            (expected,) = decoder.decode([DecodeJob(*job)])
            np.testing.assert_allclose(passed[row].samples, expected.samples, atol=1e-6)
            torch.testing.assert_close(passed[row].state, expected.state, atol=1e-5, rtol=1e-5)
            together[row], alone[row] = passed[row].state, expected.state


@given(st.integers(1, MAX_FRAMES), st.integers(1, MAX_FRAMES))
def test_chunks_share_a_batch_unless_heavily_padded(one: int, other: int) -> None:
    keys = {batch_key(DecodeJob(random_codes(n), torch.zeros(1)), MAX_FRAMES) for n in (one, other)}
    short, long = sorted((one, other))
    if len(keys) == 1:
        assert long <= max(16, 2 * short)
    elif long <= 16:
        raise AssertionError("a few frames cost nothing")
    assert all(frames >= short for frames, _ in keys)


def test_first_chunks_share_a_batch_only_at_equal_length() -> None:
    keys = [batch_key(DecodeJob(random_codes(n), None), MAX_FRAMES) for n in (22, 23)]
    later = DecodeJob(random_codes(22), torch.zeros(1))
    assert keys[0] != keys[1]
    assert keys[0] != batch_key(later, MAX_FRAMES)


@settings(deadline=None)
@given(
    frames=st.integers(0, 200),
    sizes=st.lists(st.integers(1, 100), max_size=20),
    produced=st.integers(0, 900),
)
def test_produced_samples_are_skipped(frames: int, sizes: list[int], produced: int) -> None:
    fake, codes = FakeDecoder(HOP), random_codes(frames)
    (samples,) = decode_all(fake, CODEC, [cut(codes, sizes)], produced)
    np.testing.assert_array_equal(samples, fake.samples(codes)[produced:])


@dataclass
class ShapeRecorder(FakeDecoder):
    """Records the length of each job and whether it starts an utterance."""

    shapes: list[tuple[int, bool]] = field(default_factory=list)

    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        self.shapes += [(len(job.codes), job.state is None) for job in jobs]
        return super().decode(jobs)


@pytest.mark.parametrize(
    ("arrives", "passes"),
    [
        ([1, 2, 3], [6]),
        ([1, 2, 3, 1], [7]),
        ([3, 3, 3, 1, 1], [9, 1, 1]),
        ([7, 200], [7, 75, 75, 50]),
        ([100], [75, 25]),
        ([6, 70], [75, 1]),
    ],
)
def test_first_chunk_is_long_enough_and_none_is_too_long(
    arrives: list[int], passes: list[int]
) -> None:
    recorder = ShapeRecorder(HOP)
    decode_all(recorder, CODEC, [cut(random_codes(sum(arrives)), arrives)])
    assert recorder.shapes == [(frames, index == 0) for index, frames in enumerate(passes)]
    assert max(passes) <= MAX_FRAMES


def test_empty_utterance_gives_no_samples() -> None:
    (samples,) = decode_all(FakeDecoder(HOP), CODEC, [[]])
    assert len(samples) == 0


async def test_concurrent_streams_share_batches_and_keep_state() -> None:
    fake = FakeDecoder(HOP, gate=Gate())
    batcher = Batcher(fake.decode, 4)
    await batcher.start()
    generator = CodecGenerator(batcher, CODEC)
    utterances = [random_codes(30, seed=number) for number in range(4)]
    tasks = [asyncio.create_task(decode(generator, cut(utterances[0], [10, 10, 10])))]
    await until(lambda: fake.batches == [1])
    tasks += [
        asyncio.create_task(decode(generator, cut(codes, [10, 10, 10]))) for codes in utterances[1:]
    ]
    await until(lambda: batcher.waiting == 3)
    fake.gate.open()
    for samples, codes in zip(await asyncio.gather(*tasks), utterances, strict=True):
        np.testing.assert_array_equal(samples, fake.samples(codes))
    assert max(fake.batches) >= 3
    await batcher.stop()


async def test_cancelled_stream_leaves_others_running() -> None:
    fake = FakeDecoder(HOP, gate=Gate())
    batcher = Batcher(fake.decode, 4)
    await batcher.start()
    generator = CodecGenerator(batcher, CODEC)
    cancelled = asyncio.create_task(decode(generator, [random_codes(30)]))
    await until(lambda: fake.batches == [1])
    codes = random_codes(30, seed=1)
    other = asyncio.create_task(decode(generator, [codes]))
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    fake.gate.open()
    np.testing.assert_array_equal(await other, fake.samples(codes))
    assert batcher.waiting == 0
    await batcher.stop()
