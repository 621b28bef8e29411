"""The asynchronous client: order, decoded values, cancellation."""

import asyncio
import contextlib

import numpy as np
import pytest

import barkclient
from barkclient import (
    AsyncClient,
    AudioChunk,
    Cancelled,
    FineOptions,
    Sampling,
    SemanticOptions,
    TailOptions,
)
from barkserve.serving.server import calls_ended
from barkserve.v1 import common_pb2, speech_pb2
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    SAMPLE_RATE,
    TEXT,
    VOICE,
    ScriptedSpeech,
    serve,
)


async def test_chunks_arrive_in_order_with_positions(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        chunks = [chunk async for chunk in client.synthesize(TEXT)]
    assert [chunk.audio for chunk in chunks] == [samples.tobytes() for samples in PCM]
    assert [chunk.first_sample for chunk in chunks] == [0, 3, 5]
    assert {(chunk.text_start, chunk.text_end) for chunk in chunks} == {(0, len(TEXT))}
    assert {(chunk.sample_rate, chunk.encoding) for chunk in chunks} == {(SAMPLE_RATE, "pcm16")}


async def test_first_chunk_arrives_before_synthesis_ends(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        with pytest.raises(RuntimeError, match="has not started"):
            _ = synthesis.started
        assert (await anext(synthesis)).sample_count == 3
        assert synthesis.started.seed == 42
        with pytest.raises(RuntimeError, match="has not finished"):
            _ = synthesis.finished
        speech.allowed.release()
        assert (await anext(synthesis)).sample_count == 2


@pytest.mark.parametrize("encoding", ["pcm16", "float32"])
async def test_samples_are_floats_in_unit_range(
    speech: ScriptedSpeech, encoding: barkclient.options.Encoding
) -> None:
    async with AsyncClient(speech.target) as client:
        chunk = await client.synthesize(TEXT, encoding=encoding).read()
    assert chunk.samples().dtype == np.float32
    assert chunk.sample_count == SAMPLE_COUNT
    np.testing.assert_array_equal(chunk.samples(), np.concatenate(PCM) / np.float32(32768))
    assert chunk.samples()[4] == -1.0


async def test_started_and_finished_are_decoded(speech: ScriptedSpeech) -> None:
    speech.finished.voice.CopyFrom(VOICE)
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT, seed=7, request_id="mine", return_voice=True)
        await synthesis.read()
    assert synthesis.started == barkclient.Started(
        request_id="mine",
        seed=7,
        voice="announcer",
        encoding="pcm16",
        sample_rate=SAMPLE_RATE,
        model="bark-mini",
    )
    finished = synthesis.finished
    assert (finished.finish_reason, finished.sample_count) == ("stop", SAMPLE_COUNT)
    assert finished.stages == (barkclient.StageReport("semantic", 7, 0.0, 1.5),)
    assert finished.voice is not None
    assert finished.voice.coarse_prompt.tolist() == [[10, 11], [20, 21]]
    assert finished.voice.fine_prompt[0].tolist() == [100, 200]


async def test_words_arrive_with_their_chunk(speech: ScriptedSpeech) -> None:
    hello, there = (
        speech_pb2.WordTime(
            word=TEXT[start:end],
            text_span=speech_pb2.TextSpan(start=start, end=end),
            first_sample=240 * start,
            end_sample=240 * end,
        )
        for start, end in ((0, 5), (6, 11))
    )
    speech.words.extend(speech_pb2.WordTimes(words=words) for words in ([], [hello, there], []))
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT, word_times=True)
        chunks = [chunk async for chunk in synthesis]
    words = [[word.word for word in chunk.words] for chunk in chunks]
    assert words == [[], ["Hello", "there"], []]
    assert [(word.start_s, word.end_s) for word in synthesis.words] == [(0.0, 0.05), (0.06, 0.11)]
    assert (synthesis.words[1].text_start, synthesis.words[1].text_end) == (6, 11)


@pytest.mark.parametrize("encoding", ["wav", "flac", "ogg_opus", "mp3"])
async def test_compressed_chunks_count_decoded_samples(
    speech: ScriptedSpeech, encoding: barkclient.options.Encoding
) -> None:
    async with AsyncClient(speech.target) as client:
        whole = await client.synthesize(TEXT, encoding=encoding).read()
    assert (whole.sample_count, len(whole.audio)) == (SAMPLE_COUNT, SAMPLE_COUNT)
    assert whole.duration_s == SAMPLE_COUNT / SAMPLE_RATE
    with pytest.raises(TypeError, match="ask for pcm16"):
        whole.samples()


async def test_segments_and_handle_are_decoded(speech: ScriptedSpeech) -> None:
    segment = speech.finished.segments.add(first_sample=3, sample_count=4, seed=5, redraws=1)
    segment.text_span.end = 9
    segment.finish_reason = common_pb2.FINISH_REASON_SILENCE
    speech.finished.voice_handle = "abc"
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        await synthesis.read()
    assert synthesis.finished.segments == (barkclient.SegmentReport(0, 9, "silence", 3, 4, 5, 1),)
    assert synthesis.finished.voice_handle == barkclient.VoiceHandle("abc")


async def test_read_returns_remaining_audio(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        rest = await synthesis.read()
        assert (rest.first_sample, rest.sample_count) == (3, SAMPLE_COUNT - 3)
        nothing = await synthesis.read()
        assert (nothing.first_sample, nothing.audio) == (SAMPLE_COUNT, b"")


async def test_synthesize_sends_options(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        await client.synthesize(
            TEXT,
            voice="none",
            seed=2**63 - 1,
            greedy=True,
            delivery="exact",
            encoding="float32",
            return_voice=True,
            keep_voice=True,
            sample_rate=8000,
            first_chunk_ms=0,
            chunk_ms=200,
            gain_db=-6.0,
            limit_peaks=True,
            language="pt-BR",
            speaking_rate=1.5,
            text_format="ssml",
            word_times=True,
            tail=TailOptions(max_silence_s=0.5, max_redraws=2),
            semantic=SemanticOptions(temperature=0.5, min_eos_p=0.25, max_tokens=9),
            coarse=Sampling(top_k=0, greedy=False),
            fine=FineOptions(temperature=0.5, lookahead_frames=0),
        ).read()
    assert speech.requests == [
        speech_pb2.SynthesizeRequest(
            text=TEXT,
            voice=speech_pb2.VoiceSelection(name="none"),
            seed=2**63 - 1,
            greedy=True,
            delivery_mode=common_pb2.DELIVERY_MODE_EXACT,
            audio_format=speech_pb2.AudioFormat(
                encoding=speech_pb2.AUDIO_ENCODING_FLOAT32,
                sample_rate_hertz=8000,
                first_chunk_ms=0,
                chunk_ms=200,
                gain_db=-6.0,
                limit_peaks=True,
            ),
            return_voice=True,
            keep_voice=True,
            language_code="pt-BR",
            speaking_rate=1.5,
            text_format=speech_pb2.TEXT_FORMAT_SSML,
            word_times=True,
            tail=speech_pb2.TailOptions(max_silence_seconds=0.5, max_redraws=2),
            semantic=speech_pb2.SemanticOptions(
                sampling=common_pb2.Sampling(temperature=0.5), min_eos_p=0.25, max_tokens=9
            ),
            coarse=speech_pb2.CoarseOptions(sampling=common_pb2.Sampling(top_k=0, greedy=False)),
            fine=speech_pb2.FineOptions(
                sampling=common_pb2.Sampling(temperature=0.5), lookahead_frames=0
            ),
        )
    ]


async def test_synthesize_omits_default_options(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        await client.synthesize(TEXT).read()
    (request,) = speech.requests
    assert not request.HasField("voice")
    assert not request.HasField("seed")
    assert not request.semantic.HasField("min_eos_p")
    assert request.semantic.sampling == common_pb2.Sampling()


async def test_slow_reader_receives_all_audio(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        first = await anext(synthesis)
        await asyncio.sleep(0.05)  # the rest has arrived and the call has ended by now
        assert first.sample_count + (await synthesis.read()).sample_count == SAMPLE_COUNT


async def test_aclose_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        async with client.synthesize(TEXT) as synthesis:
            await anext(synthesis)
        await speech.cancelled.wait()
        with pytest.raises(Cancelled):
            await anext(synthesis)


async def test_break_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        async for chunk in client.synthesize(TEXT):
            assert isinstance(chunk, AudioChunk)
            break
        await speech.cancelled.wait()


async def test_cancelled_reader_cancels_call_on_server(
    speech: ScriptedSpeech,
) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        reader = asyncio.create_task(synthesis.read())
        await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await speech.cancelled.wait()


async def test_aclose_raises_cancelled_in_waiting_reader(
    speech: ScriptedSpeech,
) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        synthesis = client.synthesize(TEXT)
        await anext(synthesis)
        reader = asyncio.create_task(synthesis.read())
        await asyncio.sleep(0)
        await synthesis.aclose()
        with pytest.raises(Cancelled, match="closed while"):
            await reader


async def test_client_close_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    client = AsyncClient(speech.target)
    synthesis = client.synthesize(TEXT)
    await anext(synthesis)
    await client.close()
    await speech.cancelled.wait()
    with pytest.raises(Cancelled):
        await anext(synthesis)


async def test_synthesis_keeps_its_client_alive(
    speech: ScriptedSpeech,
) -> None:
    chunks = [chunk async for chunk in AsyncClient(speech.target).synthesize(TEXT)]
    assert len(chunks) == len(PCM)


async def test_client_runs_many_syntheses_at_once(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        reads = [client.synthesize(TEXT, seed=seed).read() for seed in range(32)]
        counts = [chunk.sample_count for chunk in await asyncio.gather(*reads)]
    assert counts == [SAMPLE_COUNT] * 32


async def test_voices_lists_names_and_default(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        voices = await client.voices()
    assert voices == [
        barkclient.Voice("announcer", is_default=True),
        barkclient.Voice("v2/en_speaker_6", is_default=False),
    ]


def test_synthesize_raises_without_event_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncClient().synthesize(TEXT)


def test_event_loop_ends_quietly_during_synthesis(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def stop_early() -> None:
        servicer = ScriptedSpeech()
        servicer.allow(1)
        async with serve(servicer) as target, contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncClient(target))
            await anext(client.synthesize(TEXT))
        await calls_ended()  # on the server; the client is closed

    asyncio.run(stop_early())
    assert "Traceback" not in capfd.readouterr().err
