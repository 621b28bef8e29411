"""All servicers and the orchestrator around fake models whose output is computed by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from barkserve.building import orchestrator
from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.coarse.generator import CoarseGenerator, coarse_heads
from barkserve.coarse.servicer import CoarseServicer
from barkserve.coarse.windows import CoarseGeometry, WindowPlan, no_history
from barkserve.codec.generator import CodecGenerator
from barkserve.codec.servicer import CodecServicer
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.constants import STAGES
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.engine.playback import Playback
from barkserve.fine.chunk_planner import ChunkPlanner
from barkserve.fine.generator import FineGenerator
from barkserve.fine.servicer import FineServicer
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.generator import SemanticGenerator, semantic_head
from barkserve.semantic.prompt import build_prompt
from barkserve.semantic.servicer import SemanticServicer
from barkserve.semantic.text import TextEncoder
from barkserve.serving.admission import Admission
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import (
    coarse_pb2_grpc,
    codec_pb2_grpc,
    common_pb2,
    fine_pb2_grpc,
    semantic_pb2_grpc,
    speech_pb2,
)
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.fakes import (
    FakeCodec,
    FakeDecoder,
    FakeFiller,
    FakeRunner,
    Gate,
    fake_tokens,
    until,
)
from tests.support.services import Chain, RunningService, running_built

TEXT = "hello the world"
HOP = 320


@dataclass
class Fakes:
    """The models of the four stages, and the checkpoint with their sizes."""

    folder: CheckpointFolder
    semantic: FakeRunner
    coarse: FakeRunner
    fine: FakeFiller
    codec: FakeDecoder

    def service(self, stage: str, metrics: Metrics) -> Service:
        """Build a real servicer and generator around the fake."""
        bark, admission = self.folder.bark, Admission(8)
        if stage in ("semantic", "coarse"):
            engine = Engine(getattr(self, stage))
            metrics.watch("barkserve_slots_free", lambda: engine.free_slots)
            start, stop = engine.start, engine.stop
        else:
            fake = self.fine.fill if stage == "fine" else self.codec.decode
            batcher: Batcher = Batcher(fake, 4)
            start, stop = batcher.start, batcher.stop
        match stage:
            case "semantic":
                encoder = TextEncoder(self.folder)
                heads = AlignmentHeadFinder(engine, bark, encoder.encode)
                generator = SemanticGenerator(engine, bark, heads)
                servicer = SemanticServicer(generator, encoder, bark, admission, metrics)
                add = semantic_pb2_grpc.add_SemanticServiceServicer_to_server
            case "coarse":
                servicer = CoarseServicer(CoarseGenerator(engine, bark), bark, admission, metrics)
                add = coarse_pb2_grpc.add_CoarseServiceServicer_to_server
            case "fine":
                planner, generator = ChunkPlanner(5, 1.5, 9, 3, 512), FineGenerator(batcher, bark)
                servicer = FineServicer(generator, bark, planner, admission, metrics)
                add = fine_pb2_grpc.add_FineServiceServicer_to_server
            case "codec":
                servicer = CodecServicer(
                    CodecGenerator(batcher, FakeCodec(bark.sample_rate)), bark, admission, metrics
                )
                add = codec_pb2_grpc.add_CodecServiceServicer_to_server
        return Service(f"barkserve.v1.{stage}", register_with(add, servicer), start, stop)

    def samples(self) -> np.ndarray:
        """The samples of TEXT without a voice, computed without any of the servers."""
        bark = self.folder.bark
        ids = TextEncoder(self.folder).encode(TEXT)
        prompt = build_prompt(ids, np.empty(0, dtype=np.int64), bark.semantic_generation)
        head = semantic_head(bark)
        most = bark.semantic_generation.max_new_tokens
        semantic = fake_tokens(
            prompt.clip(min=0).sum(axis=1).tolist(), most, TINY.eos_token, [head.tolist()]
        )
        coarse = np.array(self._coarse(semantic)) - TINY.semantic_vocab_size
        frames = coarse.reshape(-1, 2) % TINY.codebook_size
        codes = np.zeros((len(frames), TINY.n_fine_codebooks), dtype=np.int64)
        codes[:, :2] = frames
        return self.codec.samples(self.fine.filled(codes))

    def _coarse(self, semantic: list[int]) -> list[int]:
        geometry = CoarseGeometry.from_config(self.folder.bark)
        plan = WindowPlan(geometry, no_history())
        plan.push(semantic)
        plan.end()
        heads = [head.tolist() for head in coarse_heads(self.folder.bark)]
        made: list[int] = []
        while len(made) < plan.total:
            prompt = plan.prompt(np.array(made, dtype=np.int64)).tolist()
            made += fake_tokens(prompt, plan.length(len(made)), heads=heads)
        return made


@pytest.fixture
def fakes(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Fakes:
    folder = CheckpointFolder.open(checkpoint_of(TINY))
    head = semantic_head(folder.bark).tolist()
    heads = [head.tolist() for head in coarse_heads(folder.bark)]
    return Fakes(
        folder,
        FakeRunner(2, [head]),
        FakeRunner(2, heads),
        FakeFiller(2, TINY.n_fine_codebooks, TINY.codebook_size),
        FakeDecoder(HOP),
    )


@asynccontextmanager
async def running_fakes(fakes: Fakes) -> AsyncIterator[Chain]:
    async with AsyncExitStack() as stack:
        services: dict[str, RunningService] = {}
        for stage in STAGES:
            build = running_built(stage, lambda metrics, stage=stage: fakes.service(stage, metrics))
            services[stage] = await stack.enter_async_context(build)
        addresses = {stage: services[stage].address for stage in STAGES}
        options = OrchestratorOptions(
            checkpoint=str(fakes.folder.path), port=0, admission="count", **addresses
        )
        services["orchestrator"] = await stack.enter_async_context(
            running_built("orchestrator", lambda metrics: orchestrator.build(options, metrics))
        )
        yield Chain(services)


def ask(delivery: int = common_pb2.DELIVERY_MODE_STREAMING) -> speech_pb2.SynthesizeRequest:
    return speech_pb2.SynthesizeRequest(
        text=TEXT,
        delivery_mode=delivery,
        voice=speech_pb2.VoiceSelection(name="none"),
        audio_format=speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32),
    )


@pytest.mark.parametrize("delivery", [1, 2])
async def test_audio_equals_hand_computed_samples(fakes: Fakes, delivery: int) -> None:
    expected = fakes.samples()
    assert len(expected) > 20 * HOP
    async with running_fakes(fakes) as chain:
        responses = [response async for response in chain.speech.Synthesize(ask(delivery))]
    audio = b"".join(response.audio.audio for response in responses)
    np.testing.assert_array_equal(np.frombuffer(audio, dtype="<f4"), expected)
    chunks = len(responses) - 2
    assert chunks > 2 if delivery == 1 else chunks >= 1
    assert responses[-1].finished.sample_count == len(expected)


async def test_finished_reports_when_stages_made_output(fakes: Fakes) -> None:
    async with running_fakes(fakes) as chain:
        responses = [response async for response in chain.speech.Synthesize(ask())]
    reports = responses[-1].finished.stages
    assert [report.stage for report in reports] == list(STAGES)
    firsts = [report.first_output_ms for report in reports]
    lasts = [report.last_output_ms for report in reports]
    assert 0 < firsts[0] <= firsts[1] <= firsts[2] <= firsts[3]  # a stage needs the one before
    assert lasts[0] <= lasts[1] <= lasts[2] <= lasts[3]
    assert all(first < last for first, last in zip(firsts, lasts, strict=True))


async def test_stages_expect_playback_at_the_speaking_rate(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, rates = Playback.publish, set()

    def record(playback: Playback, tokens: int, now: float) -> None:
        rates.add(playback.rate)
        publish(playback, tokens, now)

    monkeypatch.setattr(Playback, "publish", record)
    request = ask()
    request.speaking_rate = 2
    async with running_fakes(fakes) as chain:
        responses = [response async for response in chain.speech.Synthesize(request)]
    bark, codec = fakes.folder.bark, FakeCodec(TINY.sample_rate)
    frames = bark.codec.frame_rate
    semantic = bark.semantic_generation.semantic_rate_hz
    assert rates == {2 * semantic, 2 * 2 * frames, 2 * frames, 2 * codec.sample_rate}
    sent = responses[-1].finished.sample_count
    assert sent == pytest.approx(len(fakes.samples()) / 2, abs=0.05 * TINY.sample_rate)


async def test_speaking_rate_out_of_range_is_refused(fakes: Fakes) -> None:
    async with running_fakes(fakes) as chain:
        for rate in (0.4, 2.1, -1, float("nan"), float("inf")):
            request = ask()
            request.speaking_rate = rate
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for _ in chain.speech.Synthesize(request):
                    pass
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "speaking_rate: must be 0.5 to 2" in caught.value.details()


async def test_exact_fills_after_all_coarse_frames(fakes: Fakes) -> None:
    async with running_fakes(fakes) as chain:
        exact = ask(common_pb2.DELIVERY_MODE_EXACT)
        async for _ in chain.speech.Synthesize(exact):
            pass
    frames = len(fakes.samples()) // HOP
    windows = 1 if frames <= TINY.max_fine_input_length else len(fakes.fine.batches)
    assert len(fakes.fine.batches) == windows


async def test_cancel_stops_the_model_within_a_step(fakes: Fakes) -> None:
    fakes.semantic.gate = gate = Gate()
    async with running_fakes(fakes) as chain:
        call = chain.speech.Synthesize(ask())
        reading = aiter(call)
        await anext(reading)  # started
        gate.let(5)
        await until(lambda: len(fakes.semantic.steps) == 6)  # the sixth waits at the gate
        call.cancel()
        semantic = chain.services["semantic"]
        await until(lambda: semantic.metric("barkserve_streams", stage="semantic") == 0)
        assert semantic.metric("barkserve_slots_free", stage="semantic") == 2
        gate.open()
        again = [response async for response in chain.speech.Synthesize(ask())]
        audio = b"".join(response.audio.audio for response in again)
    np.testing.assert_array_equal(np.frombuffer(audio, dtype="<f4"), fakes.samples())


async def test_model_failure_fails_the_stream_naming_the_stage(fakes: Fakes) -> None:
    fakes.coarse.raises = {step: RuntimeError("out of memory") for step in range(10, 13)}
    async with running_fakes(fakes) as chain:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in chain.speech.Synthesize(ask()):
                pass
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "coarse" in caught.value.details()
        again = [response async for response in chain.speech.Synthesize(ask())]
    assert again[-1].finished.sample_count == len(fakes.samples())


@pytest.mark.parametrize("step", [0, 10, 30])
async def test_single_model_failure_does_not_change_audio(fakes: Fakes, step: int) -> None:
    fakes.coarse.raises = {step: RuntimeError("out of memory")}
    async with running_fakes(fakes) as chain:
        responses = [response async for response in chain.speech.Synthesize(ask())]
    audio = b"".join(response.audio.audio for response in responses)
    np.testing.assert_array_equal(np.frombuffer(audio, dtype="<f4"), fakes.samples())


async def test_codec_failure_names_the_codec(fakes: Fakes) -> None:
    def fail(jobs: list) -> list:
        raise RuntimeError("device lost")

    fakes.codec.decode = fail  # type: ignore[method-assign]
    async with running_fakes(fakes) as chain:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in chain.speech.Synthesize(ask()):
                pass
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "codec" in caught.value.details()
        assert "device lost" not in caught.value.details()  # details belong in the log
