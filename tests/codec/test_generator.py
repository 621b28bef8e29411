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
from barkserve.codec.job import Decoded, DecodeJob, JobPlan
from barkserve.engine.batcher import Batcher
from barkserve.engine.graphs import Graphs
from barkserve.models.encodec import EncodecDecoder
from barkserve.models.loading import Placement, load_codec
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference
from tests.engine.test_graphs import FakeCapture
from tests.support.fakes import FakeCodec, FakeDecoder, Gate, until

CheckpointOf = Callable[[CheckpointSpec], Path]
Loaded = tuple[CheckpointSpec, Path, EncodecDecoder]
CODEC = FakeCodec()
AS_THEY_ARRIVE, IN_PIECES = JobPlan.as_they_arrive(CODEC), JobPlan.in_pieces(CODEC)
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
    plan: JobPlan | None = None,
) -> list[np.ndarray]:
    """Decode several utterances concurrently."""

    async def scenario() -> list[np.ndarray]:
        batcher = Batcher(decoder.decode, max_batch)
        await batcher.start()
        try:
            generator = CodecGenerator(batcher, codec, plan)
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


@settings(max_examples=3, deadline=None)
@given(frames=st.integers(1, 100), sizes=st.lists(st.integers(1, 50), max_size=8))
def test_padded_pieces_equal_transformers(codec: Loaded, frames: int, sizes: list[int]) -> None:
    spec, folder, model = codec
    codes = random_codes(frames, spec.n_fine_codebooks, spec.codebook_size)
    plan = JobPlan.in_pieces(model.config)
    decoder = Decoder(model, plan, Graphs(FakeCapture()), max_batch=3)
    (samples,) = decode_all(decoder, model.config, [cut(codes, sizes)], plan=plan)
    np.testing.assert_allclose(samples, transformers_samples(folder, codes), atol=2e-6)


@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), max_size=9), produced=st.integers(0, 3000))
def test_padded_pieces_give_the_same_bytes_for_any_split(
    codec: Loaded, sizes: list[int], produced: int
) -> None:
    """One seed is one waveform, in any chunks, and resumed."""
    spec, _, model = codec
    plan = JobPlan.in_pieces(model.config)
    decoder = Decoder(model, plan, Graphs(FakeCapture()), max_batch=2)
    codes = random_codes(80, spec.n_fine_codebooks, spec.codebook_size)
    (whole,) = decode_all(decoder, model.config, [[codes]], plan=plan)
    (parts,) = decode_all(decoder, model.config, [cut(codes, sizes)], produced, plan=plan)
    assert parts.tobytes() == whole[produced:].tobytes()


def test_padded_pieces_of_several_streams_equal_single_ones(codec: Loaded) -> None:
    """A CPU computes the last elements of a tensor in another way: bytes may differ by the row."""
    spec, _, model = codec
    plan = JobPlan.in_pieces(model.config)
    decoder = Decoder(model, plan, Graphs(FakeCapture()), max_batch=4)
    utterances = [
        random_codes(60 + row, spec.n_fine_codebooks, spec.codebook_size, seed=row)
        for row in range(5)
    ]
    chunks = [cut(codes, [7 + 3 * row] * 9) for row, codes in enumerate(utterances)]
    together = decode_all(decoder, model.config, chunks, plan=plan)
    for codes, ours in zip(utterances, together, strict=True):
        (alone,) = decode_all(decoder, model.config, [[codes]], plan=plan)
        np.testing.assert_allclose(ours, alone, atol=1e-6)


def test_padded_pieces_of_all_streams_share_a_batch() -> None:
    def key(frames: int, begun: bool) -> object:
        state = torch.zeros(1) if begun else None
        return IN_PIECES.batch_key(DecodeJob(random_codes(frames), state))

    assert len({key(frames, begun=True) for frames in (1, 5, 24)}) == 1
    assert len({key(frames, begun=False) for frames in (7, 22, 24)}) == 1
    assert key(7, begun=True) != key(7, begun=False)
    assert key(6, begun=False) not in (key(7, begun=False), key(5, begun=False))


def test_jobs_that_are_not_padded_share_a_batch_at_equal_length() -> None:
    later = DecodeJob(random_codes(22), torch.zeros(1))
    keys = [AS_THEY_ARRIVE.batch_key(DecodeJob(random_codes(n), None)) for n in (22, 23, 22)]
    assert keys[0] == keys[2] != keys[1]
    assert AS_THEY_ARRIVE.batch_key(later) not in keys


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


@pytest.mark.parametrize(
    ("arrives", "passes"),
    [
        ([22], [22]),
        ([22, 2, 1], [22, 24, 1]),
        ([1, 2, 3], [6]),
        ([7, 60], [7, 24, 24, 19]),
        ([24, 24], [24, 24]),
    ],
)
def test_incomplete_pieces_are_decoded_again(arrives: list[int], passes: list[int]) -> None:
    recorder = ShapeRecorder(HOP, plan=IN_PIECES)
    codes = random_codes(sum(arrives))
    codec = FakeCodec(hop_length=HOP)
    (samples,) = decode_all(recorder, codec, [cut(codes, arrives)], plan=IN_PIECES)
    assert [frames for frames, _ in recorder.shapes] == passes
    np.testing.assert_array_equal(samples, recorder.samples(codes))


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
