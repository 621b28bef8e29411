"""One stream over gRPC: request, record and status."""

import asyncio
import time

import grpc
import pytest

from barkclient import AsyncClient
from barkclient.bench.speaker import Speaker, status_name
from barkclient.bench.stream import Arrival
from barkclient.errors import Cancelled, InvalidRequest, ServerError
from tests.barkclient.bench.records import UNDERRUN, stream
from tests.barkclient.scripted_server import PCM, SAMPLE_RATE, Failure, ScriptedSpeech


async def test_stream_n_has_text_n_and_seed_n(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        speaker = Speaker(client, ["one", "two"], "announcer", 40)
        records = [await speaker.speak(index, 0.0, time.monotonic()) for index in range(3)]
    assert [request.text for request in speech.requests] == ["one", "two", "one"]
    assert [request.seed for request in speech.requests] == [40, 41, 42]
    assert {request.voice.name for request in speech.requests} == {"announcer"}
    assert speaker.started is not None
    assert speaker.started.model == "bark-mini"
    for index, record in enumerate(records):
        assert (record.index, record.status, record.message) == (index, "OK", "")
        lengths = [arrival.audio_s for arrival in record.arrivals]
        assert lengths == [len(samples) / SAMPLE_RATE for samples in PCM]
        times = [arrival.at_s for arrival in record.arrivals]
        assert times == sorted(times)
        assert 0 < times[0] <= times[-1] <= record.ended_s


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.CANCELLED,
    ],
    ids=lambda code: code.name,
)
async def test_failure_has_status_name(speech: ScriptedSpeech, code: grpc.StatusCode) -> None:
    speech.failure = Failure(code, "broken")
    async with AsyncClient(speech.target) as client:
        record = await Speaker(client, ["one"], None, 0).speak(0, 0.0, time.monotonic())
    assert record.status == code.name
    assert not record.finished
    assert record.message
    assert len(record.arrivals) == len(PCM)


async def test_slow_stream_is_deadline_exceeded(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target, timeout=0.3) as client:
        record = await Speaker(client, ["one"], None, 0).speak(0, 0.0, time.monotonic())
    assert record.status == "DEADLINE_EXCEEDED"


async def test_stream_without_finished_is_protocol_error(speech: ScriptedSpeech) -> None:
    speech.finishes = False
    async with AsyncClient(speech.target) as client:
        record = await Speaker(client, ["one"], None, 0).speak(0, 0.0, time.monotonic())
    assert record.status == "PROTOCOL"


async def test_cancelled_speak_cancels_call_on_server(speech: ScriptedSpeech) -> None:
    speech.allow(1)
    async with AsyncClient(speech.target) as client:
        speaker = Speaker(client, ["one"], None, 0)
        task = asyncio.create_task(speaker.speak(0, 0.0, time.monotonic()))
        await speech.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await speech.cancelled.wait()


def test_status_name_of_client_errors() -> None:
    assert status_name(InvalidRequest("x")) == "INVALID_ARGUMENT"
    assert status_name(Cancelled("x")) == "CANCELLED"
    assert status_name(ServerError("x")) == "PROTOCOL"


def test_record_computes_latencies() -> None:
    record = stream(UNDERRUN)
    assert (record.ttfa_s, record.audio_s, record.rtf) == (1.0, 1.0, 2.0)
    assert record.gaps_s == [0.75, 0.25]


@pytest.mark.parametrize("arrivals", [(), (Arrival(1.0, 0.5),)], ids=["none", "one"])
def test_record_without_gaps(arrivals: tuple[Arrival, ...]) -> None:
    record = stream(arrivals)
    assert record.gaps_s == []
    assert (record.ttfa_s, record.rtf) == ((1.0, 2.0) if arrivals else (None, None))
