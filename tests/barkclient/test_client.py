"""The blocking client has the values, errors and cancellation of the asynchronous one."""

import asyncio

import pytest

from barkclient import Cancelled, Client, InvalidRequest, Voice
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    TEXT,
    Failure,
    ScriptedSpeech,
    bad_request,
    grpc,
)


async def test_chunks_arrive_in_order(speech: ScriptedSpeech) -> None:
    def speak() -> list[bytes]:
        with Client(speech.target) as client:
            synthesis = client.synthesize(TEXT, seed=3)
            audio = [chunk.audio for chunk in synthesis]
            assert synthesis.started.seed == 3
            assert synthesis.finished.finish_reason == "stop"
            return audio

    assert await asyncio.to_thread(speak) == [samples.tobytes() for samples in PCM]


async def test_read_returns_all_audio(speech: ScriptedSpeech) -> None:
    chunk = await asyncio.to_thread(lambda: Client(speech.target).synthesize(TEXT).read())
    assert chunk.sample_count == SAMPLE_COUNT


async def test_close_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)

    def stop_early() -> None:
        with Client(speech.target) as client:
            with client.synthesize(TEXT) as synthesis:
                next(synthesis)
            with pytest.raises(Cancelled):
                next(synthesis)

    await asyncio.to_thread(stop_early)
    assert await speech.cancelled.wait()


async def test_break_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)

    def stop_early() -> None:
        for _ in Client(speech.target).synthesize(TEXT):
            break

    await asyncio.to_thread(stop_early)
    assert await speech.cancelled.wait()


async def test_errors_equal_those_of_async_client(speech: ScriptedSpeech) -> None:
    details = bad_request(("seed", "must not be negative"))
    speech.failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "seed: no", details)

    def fail() -> None:
        with Client(speech.target) as client:
            with pytest.raises(InvalidRequest) as raised:
                client.synthesize(TEXT).read()
            assert raised.value.violations[0].field == "seed"
            with pytest.raises(InvalidRequest):
                client.voices()

    await asyncio.to_thread(fail)


async def test_voices_lists_names_and_default(speech: ScriptedSpeech) -> None:
    voices = await asyncio.to_thread(lambda: Client(speech.target).voices())
    assert voices[0] == Voice("announcer", is_default=True)
