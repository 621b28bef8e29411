"""SpeechService as its clients see it: formats, seeds, concurrency, cancellation and errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import pytest_asyncio
import torch
from google.rpc import error_details_pb2, status_pb2

from barkserve.models.linear import can_pack
from barkserve.orchestrator.admission.forecast import MAX_RETRY_S, MIN_RETRY_S
from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.orchestrator.audio.ffmpeg import decode
from tests.support.services import Chain, running_chain

LONG = replace(never_ending(TINY), max_new_tokens=90)


@pytest_asyncio.fixture
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(TINY)) as started:
        yield started


def ask(text: str = "hello world", **fields: object) -> speech_pb2.SynthesizeRequest:
    return speech_pb2.SynthesizeRequest(text=text, **fields)  # type: ignore[arg-type]


def as_(encoding: str, **fields: object) -> speech_pb2.AudioFormat:
    value = speech_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{encoding}")
    return speech_pb2.AudioFormat(encoding=value, **fields)  # type: ignore[arg-type]


async def audio_of(chain: Chain, request: speech_pb2.SynthesizeRequest) -> bytes:
    responses = [response async for response in chain.speech.Synthesize(request)]
    return b"".join(response.audio.audio for response in responses)


async def status_of(call: grpc.aio.UnaryStreamCall) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    return caught.value


def violation(error: grpc.aio.AioRpcError) -> error_details_pb2.BadRequest.FieldViolation:
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    bad_request = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(bad_request)
    return bad_request.field_violations[0]


async def test_stream_is_started_then_audio_then_finished(chain: Chain) -> None:
    request = ask("hello world", seed=5, request_id="call-7")
    responses = [response async for response in chain.speech.Synthesize(request)]
    kinds = [response.WhichOneof("response") for response in responses]
    assert kinds == ["started", *["audio"] * (len(kinds) - 2), "finished"]
    started, finished = responses[0].started, responses[-1].finished
    assert (started.seed, started.request_id) == (5, "call-7")
    assert (started.voice, started.sample_rate_hertz) == ("v2/test_speaker_0", 24_000)
    assert started.model == "bark-test"
    sent = 0
    for response in responses[1:-1]:
        assert response.audio.first_sample == sent
        assert response.audio.sample_count == len(response.audio.audio) // 2
        assert (response.audio.text_span.start, response.audio.text_span.end) == (0, 11)
        sent += len(response.audio.audio) // 2
    assert finished.sample_count == sent > 0
    assert [report.stage for report in finished.stages] == ["semantic", "coarse", "fine", "codec"]
    tokens, codes, frames, samples = (report.output_count for report in finished.stages)
    assert samples == sent == frames * 320
    assert codes == 2 * frames
    assert 0 < tokens < codes
    assert all(report.compute_ms > 0 for report in finished.stages)


async def test_pcm16_is_rounded_and_clipped_float_audio(chain: Chain) -> None:
    encodings = (speech_pb2.AUDIO_ENCODING_FLOAT32, speech_pb2.AUDIO_ENCODING_PCM16)
    floats, integers = [
        await audio_of(chain, ask(seed=1, audio_format=speech_pb2.AudioFormat(encoding=encoding)))
        for encoding in encodings
    ]
    samples = np.frombuffer(floats, dtype="<f4").astype(np.float64)
    expected = np.clip(np.rint(samples * 32767), -32768, 32767)
    assert np.abs(expected - np.frombuffer(integers, dtype="<i2")).max() <= 1
    assert np.abs(samples).max() > 0.01


@pytest.mark.parametrize(
    ("audio_format", "container"),
    [
        (as_("PCM16", sample_rate_hertz=16_000, chunk_ms=100), "s16le"),
        (as_("MULAW", sample_rate_hertz=8_000, first_chunk_ms=50, chunk_ms=20), "mulaw"),
        (as_("WAV", gain_db=12, limit_peaks=True), None),
        (as_("FLAC", sample_rate_hertz=48_000), None),
        (as_("OGG_OPUS", chunk_ms=1_000), None),
        (as_("MP3", sample_rate_hertz=44_100), None),
    ],
)
async def test_stream_has_the_requested_format(
    chain: Chain, audio_format: speech_pb2.AudioFormat, container: str | None
) -> None:
    plain = await audio_of(chain, ask(seed=1))
    request = ask(seed=1, audio_format=audio_format)
    responses = [response async for response in chain.speech.Synthesize(request)]
    started, finished = responses[0].started, responses[-1].finished
    rate = audio_format.sample_rate_hertz or 24_000
    assert (started.encoding, started.sample_rate_hertz) == (audio_format.encoding, rate)
    chunks = [response.audio for response in responses[1:-1]]
    assert sum(chunk.sample_count for chunk in chunks) == finished.sample_count
    assert abs(finished.sample_count - len(plain) / 2 * rate / 24_000) <= 1
    options = {"ar": str(rate)} if container else {}
    data = b"".join(chunk.audio for chunk in chunks)
    samples, decoded_rate = decode(data, container, **options)
    assert len(samples) / decoded_rate == pytest.approx(finished.sample_count / rate, abs=0.15)
    assert np.abs(samples).max() > 0.01


async def test_one_seed_is_one_waveform_alone_or_batched(chain: Chain) -> None:
    alone = await audio_of(chain, ask(seed=11))
    others = [audio_of(chain, ask("the fox", seed=seed)) for seed in range(20, 27)]
    beside, *different = await asyncio.gather(audio_of(chain, ask(seed=11)), *others)
    assert alone == await audio_of(chain, ask(seed=11)) == beside
    assert len({alone, *different}) == 8


async def test_random_seed_is_reported_and_repeatable(chain: Chain) -> None:
    first, second = [
        [response async for response in chain.speech.Synthesize(ask())] for _ in range(2)
    ]
    seeds = [responses[0].started.seed for responses in (first, second)]
    assert seeds[0] != seeds[1]
    again = await audio_of(chain, ask(seed=seeds[0]))
    assert again == b"".join(response.audio.audio for response in first)


async def test_32_concurrent_streams_match_single_streams(chain: Chain) -> None:
    requests = [ask(text, seed=seed) for text in ("hello", "the quick fox") for seed in range(16)]
    together = await asyncio.gather(*(audio_of(chain, request) for request in requests))
    for request, audio in zip(requests[::5], together[::5], strict=True):
        assert audio == await audio_of(chain, request)
    assert all(len(audio) > 320 for audio in together)


async def test_streaming_and_exact_have_the_same_tokens(chain: Chain) -> None:
    modes = (common_pb2.DELIVERY_MODE_STREAMING, common_pb2.DELIVERY_MODE_EXACT)
    voices = []
    for mode in modes:
        request = ask(seed=3, delivery_mode=mode, return_voice=True)
        responses = [response async for response in chain.speech.Synthesize(request)]
        voices.append(responses[-1].finished.voice)
    assert voices[0].semantic_prompt == voices[1].semantic_prompt
    assert voices[0].coarse_prompt == voices[1].coarse_prompt
    assert len(voices[0].fine_prompt) == len(voices[1].fine_prompt)


async def test_returned_voice_continues_the_speech(chain: Chain) -> None:
    responses = [
        response async for response in chain.speech.Synthesize(ask(seed=1, return_voice=True))
    ]
    voice = speech_pb2.VoiceSelection(history_prompt=responses[-1].finished.voice)
    continued = [r async for r in chain.speech.Synthesize(ask(seed=1, voice=voice))]
    assert continued[0].started.voice == "inline"
    spoken = b"".join(response.audio.audio for response in continued)
    assert spoken != b"".join(response.audio.audio for response in responses)


async def test_cancel_frees_all_slots_and_stops_all_stages(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(LONG)) as chain:
        call = chain.speech.Synthesize(ask(seed=1))
        while (await call.read()).WhichOneof("response") != "audio":
            pass
        call.cancel()
        await _idle(chain)
        for name in ("semantic", "coarse"):
            service = chain.services[name]
            free = service.metric("barkserve_slots_free", stage=name)
            assert free == service.metric("barkserve_slots", stage=name) == 16
            assert service.metric("barkserve_slots_running", stage=name) == 0
        orchestrator = chain.services["orchestrator"]
        cancelled = {"stage": "orchestrator", "outcome": "CANCELLED"}
        assert orchestrator.metric("barkserve_requests_total", **cancelled) == 1


async def test_deadline_stops_all_stages(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(LONG)) as chain:
        error = await status_of(chain.speech.Synthesize(ask(seed=1), timeout=0.05))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await _idle(chain)


async def test_slow_reader_blocks_no_others_and_uses_little_memory(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """Float audio of one utterance exceeds all flow-control windows.

    Audio that the client does not read must not be generated.
    """
    spec = replace(LONG, max_new_tokens=700, block_size=1024)
    floats = speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32)
    long = {"audio_format": floats, "tail": speech_pb2.TailOptions(max_seconds_per_character=0)}
    async with running_chain(checkpoint_of(spec)) as chain:
        stalled = aiter(chain.speech.Synthesize(ask(seed=1, **long)))
        await anext(stalled)
        hurried = ask("the fox", seed=2, **long)
        assert len(await audio_of(chain, hurried)) > 1_000_000
        codec = chain.services["codec"]
        both = codec.metric("barkserve_outputs_total", stage="codec")
        rest = [response async for response in stalled]
        whole = rest[-1].finished.sample_count
        made_unread = both - whole  # both streams have the same length in the end
        assert made_unread < 0.3 * whole
        assert sum(len(response.audio.audio) for response in rest) == 4 * whole


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ask(""), "text"),
        (ask(" \n\t"), "text"),
        (ask("?! ..."), "text"),
        (ask("😀"), "text"),
        (ask("x" * 1_000_001), "text"),
        (ask(language_code="x" * 36), "language_code"),
        (ask(language_code="xx-!!"), "language_code"),
        (ask(seed=-1), "seed"),
        (ask(request_id="x" * 200), "request_id"),
        (ask(audio_format=speech_pb2.AudioFormat(encoding=9)), "audio_format.encoding"),
        (
            ask(audio_format=as_("OGG_OPUS", sample_rate_hertz=44_100)),
            "audio_format.sample_rate_hertz",
        ),
        (ask(audio_format=speech_pb2.AudioFormat(chunk_ms=1)), "audio_format.chunk_ms"),
        (ask(delivery_mode=7), "delivery_mode"),
        (ask(voice=speech_pb2.VoiceSelection(npz=b"not a zip")), "voice.npz"),
        (
            ask(semantic=speech_pb2.SemanticOptions(sampling=common_pb2.Sampling(temperature=0))),
            "semantic.sampling.temperature",
        ),
        (
            ask(semantic=speech_pb2.SemanticOptions(sampling=common_pb2.Sampling(top_k=-1))),
            "semantic.sampling.top_k",
        ),
        (
            ask(coarse=speech_pb2.CoarseOptions(sampling=common_pb2.Sampling(top_p=float("nan")))),
            "coarse.sampling.top_p",
        ),
        (ask(semantic=speech_pb2.SemanticOptions(min_eos_p=1.5)), "semantic.min_eos_p"),
        (ask(semantic=speech_pb2.SemanticOptions(max_tokens=100_000)), "semantic.max_tokens"),
        (ask(semantic=speech_pb2.SemanticOptions(max_tokens=0)), "semantic.max_tokens"),
        (ask(fine=speech_pb2.FineOptions(lookahead_frames=-3)), "fine.lookahead_frames"),
    ],
)
async def test_invalid_request_names_its_field(
    chain: Chain, request_: speech_pb2.SynthesizeRequest, field: str
) -> None:
    error = await status_of(chain.speech.Synthesize(request_))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation(error).field == field
    assert error.details().startswith(field)
    assert "\n" not in error.details()
    await _idle(chain)


async def test_unknown_voice_is_not_found(chain: Chain) -> None:
    voice = speech_pb2.VoiceSelection(name="v2/test_speaker_9")
    error = await status_of(chain.speech.Synthesize(ask(voice=voice)))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "v2/test_speaker_0" in error.details()


async def test_invalid_voice_arrays_are_named(chain: Chain) -> None:
    prompt = common_pb2.HistoryPrompt(
        semantic_prompt=[1, 2, 3], coarse_prompt=[1, 2, 3], fine_prompt=[1] * 16
    )
    voice = speech_pb2.VoiceSelection(history_prompt=prompt)
    error = await status_of(chain.speech.Synthesize(ask(voice=voice)))
    assert violation(error).field == "voice.history_prompt.coarse_prompt"


async def test_list_voices_marks_the_default(chain: Chain) -> None:
    listed = await chain.speech.ListVoices(speech_pb2.ListVoicesRequest())
    assert [(voice.name, voice.is_default) for voice in listed.voices] == [
        ("v2/test_speaker_0", True),
        ("v2/test_speaker_1", False),
    ]


async def test_full_server_says_when_to_retry(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(LONG), max_streams=1) as chain:
        first = aiter(chain.speech.Synthesize(ask(seed=1)))
        await anext(first)
        error = await status_of(chain.speech.Synthesize(ask(seed=2)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
        assert status_pb2.Status.FromString(packed).details[0].Unpack(retry)
        assert MIN_RETRY_S <= retry.retry_delay.ToMilliseconds() / 1000 <= MAX_RETRY_S
        assert len([response async for response in first]) > 2  # the first stream is not affected


async def test_unreachable_stage_is_named(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running_chain(checkpoint_of(TINY), replica_wait_seconds=0.5) as chain:
        coarse = chain.services["coarse"]
        await coarse.server.stop(grace=None)
        error = await status_of(chain.speech.Synthesize(ask()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "coarse" in error.details()


async def _idle(chain: Chain) -> None:
    """Wait until no service has a running RPC; the test's timeout limits the wait."""
    for name, service in chain.services.items():
        while service.metric("barkserve_streams", stage=name):  # noqa: ASYNC110 - no event to await
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "dtype",
    [
        "bfloat16",
        "float16",
        pytest.param(
            "int8",
            marks=pytest.mark.skipif(
                not can_pack(torch.device("cpu"), torch.int8), reason="no VNNI instructions"
            ),
        ),
    ],
)
async def test_reduced_precision_speaks(
    checkpoint_of: Callable[[CheckpointSpec], Path], dtype: str
) -> None:
    async with running_chain(checkpoint_of(TINY), dtype=dtype) as chain:
        audio = np.frombuffer(await audio_of(chain, ask(seed=1)), dtype="<i2")
    assert len(audio) > 10 * 320
    assert np.abs(audio).max() > 300
