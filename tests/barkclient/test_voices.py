"""Managing voices, the server's description, and the errors of both."""

import asyncio

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from barkclient import (
    AsyncClient,
    BarkClientError,
    Client,
    Overloaded,
    PreconditionFailed,
    RetryableError,
    Voice,
    VoiceExists,
    VoiceHandle,
    VoiceNotFound,
    VoiceStoreFull,
)
from barkclient.options import build_request
from barkserve.v1 import speech_pb2
from tests.barkclient.scripted_server import VOICE, Failure, ScriptedSpeech, retry_info


async def test_voice_is_created_described_and_deleted(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        made = await client.create_voice(
            "mine", VoiceHandle("abc"), language="en", description="d", replace=True
        )
        assert made == Voice("mine", language="en", description="d", stored=True)
        assert await client.get_voice("mine") == made
        tokens = await client.get_voice_tokens("mine")
        assert tokens.coarse_prompt.tolist() == [[10, 11], [20, 21]]
        await client.delete_voice("mine")
        with pytest.raises(VoiceNotFound):
            await client.get_voice("mine")
        await client.create_voice("again", tokens)
    assert speech.created[0].source.handle == "abc"
    assert speech.created[0].replace
    assert speech.created[1].source.history_prompt == VOICE


async def test_blocking_client_manages_voices(speech: ScriptedSpeech) -> None:
    def use() -> None:
        with Client(speech.target) as client:
            made = client.create_voice("mine", "announcer")
            assert client.get_voice("mine") == made
            assert client.get_voice_tokens("mine").semantic_prompt.tolist() == [1, 2, 3]
            client.delete_voice("mine")
            assert [voice.name for voice in client.voices()] == ["announcer", "v2/en_speaker_6"]
            assert client.server_info().version == "1.2.3"

    await asyncio.to_thread(use)


def test_handle_is_accepted_as_voice() -> None:
    for voice in (VoiceHandle("abc"), "handle:abc", str(VoiceHandle("abc"))):
        assert build_request("Hi", voice=voice).voice.handle == "abc"


async def test_server_info_is_decoded(speech: ScriptedSpeech) -> None:
    speech.info = speech_pb2.GetServerInfoResponse(
        version="1.2.3",
        model="bark-mini",
        sample_rate_hertz=24000,
        default_voice="v2/rms",
        encodings=[speech_pb2.AUDIO_ENCODING_PCM16, speech_pb2.AUDIO_ENCODING_OGG_OPUS, 99],
        language_codes=["en"],
        limits=speech_pb2.ServerLimits(max_stored_voices=5),
    )
    async with AsyncClient(speech.target) as client:
        info = await client.server_info()
    assert (info.version, info.model, info.default_voice) == ("1.2.3", "bark-mini", "v2/rms")
    assert (info.encodings, info.languages) == (("pcm16", "ogg_opus"), ("en",))
    assert info.limits.max_stored_voices == 5


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        ("ALREADY_EXISTS", [], VoiceExists),
        ("FAILED_PRECONDITION", [], PreconditionFailed),
        ("NOT_FOUND", [], VoiceNotFound),
        ("RESOURCE_EXHAUSTED", [error_details_pb2.QuotaFailure()], VoiceStoreFull),
        ("RESOURCE_EXHAUSTED", [retry_info(1)], Overloaded),
    ],
)
async def test_voice_errors_have_their_own_types(
    speech: ScriptedSpeech, code: str, details: list[Message], kind: type[BarkClientError]
) -> None:
    speech.failure = Failure(grpc.StatusCode[code], "because", *details)
    async with AsyncClient(speech.target) as client:
        with pytest.raises(kind, match="because") as raised:
            await client.create_voice("mine", "announcer")
    assert isinstance(raised.value, RetryableError) == (kind is Overloaded)
