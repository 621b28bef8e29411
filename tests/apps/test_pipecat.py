"""Pipecat with barkclient.integrations.pipecat, and with its own NVIDIA service."""

import asyncio

import pytest
from pipecat.frames.frames import TTSSpeakFrame, TTSUpdateSettingsFrame
from pipecat.services.nvidia.tts import NvidiaTTSService, NvidiaTTSSynthesisMode
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode
from pipecat.utils.errors import ErrorCategory

from barkclient.integrations.pipecat import BarkTTSService
from tests.apps.flaky_proxy import FlakyProxy
from tests.apps.pipecat_conversation import PATIENT, running_conversation

TOKENS = ("The fox", " is here. ", "The dog (old)", " is there, and", " it waits.")
LONG = "This is a long answer that will be cut off before it ends. " * 6


@pytest.mark.parametrize("mode", TextAggregationMode)
async def test_answers_are_spoken_and_remembered_as_written(
    server: str, mode: TextAggregationMode
) -> None:
    service = BarkTTSService(server, voice="v2/slt", text_aggregation_mode=mode)
    async with running_conversation(service, sample_rate=16_000) as conversation:
        await conversation.answer(*TOKENS)
        await conversation.answer("Two is more than one.")
        await conversation.worker.queue_frame(TTSSpeakFrame("And that is all."))
        said = await conversation.remembered(3)
    assert said == ["".join(TOKENS), "Two is more than one.", "And that is all."]
    assert {frame.sample_rate for frame in conversation.recorder.audio} == {16_000}
    assert conversation.recorder.seconds() > 4
    assert conversation.errors == []


async def test_first_sentence_is_spoken_before_second_is_written(server: str) -> None:
    async with running_conversation(BarkTTSService(server)) as conversation:
        await conversation.begin()
        await conversation.write("The fox is here. The")
        await conversation.recorder.until(lambda: len(conversation.recorder.audio) > 0)
        await conversation.write(" dog is there.")
        await conversation.end()
        assert await conversation.remembered(1) == ["The fox is here. The dog is there."]


async def test_text_without_spaces_is_remembered_as_written(server: str) -> None:
    async with running_conversation(BarkTTSService(server)) as conversation:
        await conversation.answer("こんにちは。", "元気です。")
        assert await conversation.remembered(1) == ["こんにちは。元気です。"]


async def test_interruption_stops_server_and_keeps_spoken_text(
    server: str, proxy: FlakyProxy
) -> None:
    async with running_conversation(BarkTTSService(proxy.address)) as conversation:
        recorder = conversation.recorder
        await conversation.begin()
        await conversation.write(LONG)
        await recorder.until(lambda: recorder.seconds() > 1)
        await conversation.interrupt()
        (spoken,) = await conversation.remembered(1)
        await proxy.wait_idle()
        sent = len(recorder.audio)
        await conversation.answer("Yes, I listen.")
        assert len(recorder.audio) > sent
        said = await conversation.remembered(2)
    assert said == [spoken, "Yes, I listen."]
    assert LONG.startswith(spoken)
    assert 0 < len(spoken) < len(LONG) / 2
    assert conversation.errors == []


async def test_service_works_again_after_server_returns(server: str, proxy: FlakyProxy) -> None:
    async with running_conversation(BarkTTSService(proxy.address)) as conversation:
        await proxy.cut()
        for _ in range(3):
            await conversation.answer("This", " is", " not spoken.")
        assert {ErrorCategory.CONNECTIVITY} < {error.category for error in conversation.errors}
        assert conversation.recorder.audio == []
        await proxy.restore()
        while not conversation.recorder.audio:  # until the channel reconnects
            await conversation.answer("This is spoken.")


async def test_service_waits_for_a_slow_server(proxy: FlakyProxy) -> None:
    """By default, Pipecat ends an answer after three silent seconds."""
    async with running_conversation(BarkTTSService(proxy.address)) as conversation:
        await conversation.answer("Hello.")
        proxy.hold()
        answering = asyncio.create_task(conversation.answer("The fox is here."))
        await asyncio.sleep(4)
        proxy.release()
        await answering
        assert await conversation.remembered(2) == ["Hello.", "The fox is here."]
    assert conversation.errors == []


async def test_answer_continues_after_a_broken_connection(server: str, proxy: FlakyProxy) -> None:
    async with running_conversation(BarkTTSService(proxy.address)) as conversation:
        recorder = conversation.recorder
        await conversation.begin()
        await conversation.write("This answer continues on a new connection. ")
        await recorder.until(lambda: len(recorder.audio) > 0)
        await proxy.cut()
        await proxy.restore()
        await conversation.write("Text after the cut is spoken too.")
        await conversation.end()
        said = await conversation.remembered(1)
    assert said == ["This answer continues on a new connection. Text after the cut is spoken too."]
    assert conversation.errors == []


async def test_unknown_voice_disables_service_until_it_changes(
    server: str,
) -> None:
    service = BarkTTSService(server, voice="absent")
    async with running_conversation(service) as conversation:
        await conversation.answer("Hello.")
        assert [error.category for error in conversation.errors] == [ErrorCategory.INVALID_REQUEST]
        assert "absent" in conversation.errors[0].error
        assert not service.is_usable
        delta = TTSSettings(voice="v2/rms")
        await conversation.worker.queue_frame(TTSUpdateSettingsFrame(delta=delta))
        await service.set_usable(True)
        await conversation.answer("Hello.")
        assert conversation.recorder.seconds() > 0


async def test_unspeakable_text_does_not_affect_the_next(server: str) -> None:
    service = BarkTTSService(server)
    async with running_conversation(service) as conversation:
        for _ in range(4):
            await conversation.answer("👍")
        categories = {error.category for error in conversation.errors}
        assert categories == {
            ErrorCategory.APPLICATION,
            ErrorCategory.UNKNOWN,
        }  # the reason, and the missing audio
        await conversation.answer("Hello.")
        assert conversation.recorder.seconds() > 0


@pytest.mark.parametrize("mode", NvidiaTTSSynthesisMode)
async def test_pipecats_nvidia_service_works_with_our_address(
    mode: NvidiaTTSSynthesisMode, server: str, proxy: FlakyProxy
) -> None:
    settings = NvidiaTTSService.Settings(synthesis_mode=mode)
    service = NvidiaTTSService(server=server, use_ssl=False, settings=settings, **PATIENT)
    async with running_conversation(service) as conversation:
        recorder = conversation.recorder
        await conversation.answer(*TOKENS)
        assert recorder.seconds() > 2
        await conversation.begin()
        await conversation.write(LONG)
        sent = recorder.seconds()
        await recorder.until(lambda: recorder.seconds() > sent)
        await conversation.interrupt()
        await proxy.wait_idle()
        sent = recorder.seconds()
        await conversation.answer("Yes, I listen.")
        assert recorder.seconds() > sent
    assert conversation.errors == []


async def test_pipecats_nvidia_service_uses_our_voice_names(server: str) -> None:
    settings = NvidiaTTSService.Settings(voice="Bark.v2/awb")
    service = NvidiaTTSService(
        server=server, use_ssl=False, settings=settings, sample_rate=8_000, **PATIENT
    )
    async with running_conversation(service) as conversation:
        await conversation.answer("Hello.")
    assert {frame.sample_rate for frame in conversation.recorder.audio} == {8_000}
    assert conversation.errors == []
