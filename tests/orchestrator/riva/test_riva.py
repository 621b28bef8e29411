"""The orchestrator with NVIDIA Riva's own client."""

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio

from barkclient._internal.server_status import keep_server_status
from barkserve.constants import STAGES
from barkserve.errors import InvalidArgument
from barkserve.external import riva_pb2, riva_tts_pb2, riva_tts_pb2_grpc
from barkserve.orchestrator.audio.output_format import resolve_format
from barkserve.orchestrator.riva import whole_reply
from barkserve.orchestrator.riva.whole_reply import WholeReply, check_reply_fits
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.orchestrator.audio.ffmpeg import decode
from tests.orchestrator.riva.client import Outcome, call
from tests.support.fakes import until
from tests.support.services import Chain, running_chain

TWO = "The fox is here. The dog is there, and it sleeps."


@pytest_asyncio.fixture
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(TINY), max_text_characters=1_000) as started:
        yield started


async def one(chain: Chain, method: str, **arguments: Any) -> Outcome:
    return (await call(chain.address, (method, arguments)))[0]


def pcm(audio: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(audio), dtype="<i2")


async def test_riva_client_speaks_with_its_defaults(chain: Chain) -> None:
    whole, streamed = await call(
        chain.address, ("synthesize", {"text": TWO}), ("synthesize_online", {"text": TWO})
    )
    assert (whole.error, streamed.error) == ("", "")
    assert len(whole.audio) == 1
    assert len(streamed.audio) > 2
    assert all(streamed.audio)
    for outcome in (whole, streamed):
        assert len(pcm(outcome.audio)) > 22_050 // 5
        assert np.abs(pcm(outcome.audio)).max() > 300
    meta = whole.responses[0]["meta"]
    assert (meta["text"], meta["processed_text"]) == (TWO, TWO)
    names = {response["id"]["value"] for response in streamed.responses}
    assert len(names) == 1


@pytest.mark.parametrize(
    ("encoding", "container"),
    [
        (riva_pb2.LINEAR_PCM, "s16le"),
        (riva_pb2.FLAC, None),
        (riva_pb2.MULAW, "mulaw"),
        (riva_pb2.OGGOPUS, None),
        (riva_pb2.ALAW, "alaw"),
    ],
)
async def test_ffmpeg_decodes_every_riva_encoding(
    chain: Chain, encoding: int, container: str | None
) -> None:
    options = {"text": "hello world", "encoding": encoding, "sample_rate_hz": 16_000}
    whole, streamed = await call(
        chain.address, ("synthesize", options), ("synthesize_online", options)
    )
    for outcome in (whole, streamed):
        raw = {"ar": "16000"} if container else {}
        samples, _ = decode(b"".join(outcome.audio), container, **raw)
        assert np.abs(samples).max() > 0.01


async def test_riva_client_lists_voices_and_speaks_with_them(chain: Chain) -> None:
    listed = await one(chain, "config")
    (config,) = listed.responses[0]["model_config"]
    assert config["model_name"] == "bark-test"
    parameters = config["parameters"]
    assert parameters["language_code"] == "en-US"
    names = [
        f"{parameters['voice_name']}.{subvoice.split(':')[0]}"
        for subvoice in parameters["subvoices"].split(",")
    ]
    assert names == ["Bark.v2/test_speaker_0", "Bark.v2/test_speaker_1"]
    outcomes = await call(
        chain.address,
        *(("synthesize", {"text": "hello", "voice_name": name}) for name in names),
        ("synthesize", {"text": "hello", "voice_name": "v2/test_speaker_1"}),
    )
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    same_model, other_model = await call(
        chain.address, ("config", {"model_name": "bark-test"}), ("config", {"model_name": "x"})
    )
    assert same_model.responses == listed.responses
    assert other_model.responses == [{}]


async def test_nvidia_voice_names_select_the_default_voice(chain: Chain) -> None:
    """The plugins of LiveKit and Pipecat send one of NVIDIA's voices if the user chose none."""
    requested = {"Leo": "en-US", "Aria": "de-DE", "Aria.Calm": ""}
    outcomes = await call(
        chain.address,
        *(
            (
                "synthesize_online",
                {
                    "text": "hello",
                    "voice_name": f"Magpie-Multilingual.EN-US.{name}",
                    "language_code": language,
                },
            )
            for name, language in requested.items()
        ),
    )
    assert [outcome.error for outcome in outcomes] == [""] * 3
    assert all(len(pcm(outcome.audio)) for outcome in outcomes)


def requests_of(chain: Chain, service: str) -> float:
    outcomes = ("OK", "CANCELLED", "INTERNAL", "UNAVAILABLE")
    return sum(
        chain.services[service].metric("barkserve_requests_total", stage=service, outcome=each)
        for each in outcomes
    )


async def test_riva_refuses_audio_above_4_mib_uncomputed(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    """4 MiB are 95 s of PCM at 22,050 Hz, and 2,377 letters at 25 letters per second."""
    async with running_chain(checkpoint_of(TINY)) as chain:
        outcome = await one(chain, "synthesize", text="x" * 2_378, sample_rate_hz=22_050)
        assert (outcome.error, outcome.details) == (
            "INVALID_ARGUMENT",
            "text: the audio would exceed 4096 KiB, the most that clients accept in one reply. "
            "Call SynthesizeOnline, which streams it, or ask for less text, a lower sample_rate_hz "
            "or the encoding OGGOPUS",
        )
        assert requests_of(chain, "semantic") == 0


@pytest.mark.parametrize(
    ("letters", "encoding", "sample_rate", "fits"),
    [
        (2_377, speech_pb2.AUDIO_ENCODING_PCM16, 22_050, True),
        (2_378, speech_pb2.AUDIO_ENCODING_PCM16, 22_050, False),
        (1_092, speech_pb2.AUDIO_ENCODING_PCM16, 48_000, True),
        (1_093, speech_pb2.AUDIO_ENCODING_PCM16, 48_000, False),
        (13_107, speech_pb2.AUDIO_ENCODING_MULAW, 8_000, True),
        (13_108, speech_pb2.AUDIO_ENCODING_MULAW, 8_000, False),
        (1_000_000, speech_pb2.AUDIO_ENCODING_OGG_OPUS, 48_000, True),
    ],
)
def test_estimate_depends_on_letters_encoding_and_rate(
    letters: int, encoding: speech_pb2.AudioEncoding, sample_rate: int, fits: bool
) -> None:
    refused = nullcontext() if fits else pytest.raises(InvalidArgument, match="SynthesizeOnline")
    with refused:
        requested = speech_pb2.AudioFormat(encoding=encoding, sample_rate_hertz=sample_rate)
        check_reply_fits("x " * letters, resolve_format(requested, 24_000))


async def test_riva_stops_when_the_reply_becomes_too_large(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of FLAC is known only when it is encoded."""
    options = {"text": TWO, "encoding": riva_pb2.FLAC, "sample_rate_hz": 24_000}
    calls = (("synthesize", options), ("synthesize_online", options))
    whole, _ = await call(chain.address, *calls)
    size = len(b"".join(whole.audio))
    monkeypatch.setattr(whole_reply, "MAX_REPLY_BYTES", size // 2)
    refused, streamed = await call(chain.address, *calls)
    assert (refused.error, "text: the audio exceeds" in refused.details) == (
        "INVALID_ARGUMENT",
        True,
    )
    assert "SynthesizeOnline" in refused.details
    assert (streamed.error, len(b"".join(streamed.audio)) > size // 2) == ("", True)
    for service in (*STAGES, "orchestrator"):
        name = dict(stage=service)
        await until(lambda n=name: not chain.services[n["stage"]].metric("barkserve_streams", **n))


def test_reply_may_have_exactly_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply() -> riva_tts_pb2.SynthesizeSpeechResponse:
        whole = WholeReply("The fox.")
        for _ in range(15):
            part = riva_tts_pb2.SynthesizeSpeechResponse(audio=bytes(200_000))
            part.meta.words.add(word="fox", start_time=1, end_time=2)
            whole.add(part)
        return whole.joined()

    expected = reply()
    assert (len(expected.audio), len(expected.meta.words)) == (3_000_000, 15)
    assert expected.meta.text == expected.meta.processed_text == "The fox."
    monkeypatch.setattr(whole_reply, "MAX_REPLY_BYTES", expected.ByteSize())
    assert reply() == expected
    monkeypatch.setattr(whole_reply, "MAX_REPLY_BYTES", expected.ByteSize() - 1)
    with pytest.raises(InvalidArgument, match="SynthesizeOnline"):
        reply()


async def test_cancelled_riva_call_frees_its_stream(chain: Chain) -> None:
    """Pipecat's plugin cancels the call on barge-in."""
    orchestrator = chain.services["orchestrator"]
    stub = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(orchestrator.channel)
    request = riva_tts_pb2.SynthesizeSpeechRequest(text="The fox is here. " * 50)
    call = stub.SynthesizeOnline(iter([request]))
    assert (await call.read()).audio
    assert orchestrator.metric("barkserve_streams", stage="orchestrator") == 1
    call.cancel()
    await until(lambda: orchestrator.metric("barkserve_streams", stage="orchestrator") == 0)


async def test_riva_requests_of_one_stream_are_one_text(chain: Chain) -> None:
    texts = ["The fox is here.", "The dog is there,", "and it sleeps."]
    outcome = await one(chain, "synthesize_online", text=texts)
    assert outcome.error == ""
    assert len({response["id"]["value"] for response in outcome.responses}) == 1
    too_long = await one(chain, "synthesize_online", text=["The fox is here. " * 20] * 3)
    assert (too_long.error, "in all" in too_long.details) == ("INVALID_ARGUMENT", True)


@pytest.mark.parametrize("method", ["synthesize", "synthesize_online"])
@pytest.mark.parametrize(
    ("options", "status", "named"),
    [
        ({"text": ""}, "INVALID_ARGUMENT", "text"),
        ({"text": "hello", "sample_rate_hz": 4_000}, "INVALID_ARGUMENT", "sample_rate_hz"),
        ({"text": "hello", "encoding": 4}, "INVALID_ARGUMENT", "sample_rate_hz"),  # 22 050, Opus
        ({"text": "hello", "encoding": 7}, "INVALID_ARGUMENT", "encoding"),
        (
            {"text": "hello", "custom_dictionary": {"fox": "f" * 257}},
            "INVALID_ARGUMENT",
            "custom_dictionary",
        ),
        ({"text": "hello", "voice_name": "English-US.Female-1"}, "NOT_FOUND", "English-US"),
        ({"text": "hello " * 200}, "INVALID_ARGUMENT", "text"),
    ],
)
async def test_riva_errors_name_the_field(
    chain: Chain, method: str, options: dict[str, Any], status: str, named: str
) -> None:
    outcome = await one(chain, method, **options)
    assert (outcome.error, named in outcome.details) == (status, True)


async def test_riva_stream_ends_itself_or_is_rejected(chain: Chain) -> None:
    """Streams that NVIDIA's client does not send: an end mark, a new voice, no request."""
    stub = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(chain.services["orchestrator"].channel)
    request = riva_tts_pb2.SynthesizeSpeechRequest
    end = request(custom_configuration={"riva_end_stream": "true"})

    call = stub.SynthesizeOnline()
    await call.write(request(text="hello world", id=riva_pb2.RequestId(value="mine")))
    await call.write(end)
    responses = [response async for response in call]
    assert {response.id.value for response in responses} == {"mine"}

    wrong = {
        "voice_name": [request(text="hello"), request(text="hello", voice_name="v2/other")],
        "text": [],
        "zero_shot_data": [request(zero_shot_data=riva_tts_pb2.ZeroShotData(quality=1))],
    }
    for field, requests in wrong.items():
        with pytest.raises(grpc.aio.AioRpcError, match=field) as caught:
            async for _ in keep_server_status(stub.SynthesizeOnline)(iter(requests)):
                pass
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert chain.services["orchestrator"].metric("barkserve_streams", stage="orchestrator") == 0
