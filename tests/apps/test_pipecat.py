"""barkclient.integrations.pipecat and Pipecat's own NVIDIA service, in a pipeline that speaks."""

import asyncio

import pytest
from pipecat.frames.frames import TTSSpeakFrame, TTSUpdateSettingsFrame
from pipecat.services.nvidia.tts import NvidiaTTSService, NvidiaTTSSynthesisMode
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode
from pipecat.utils.errors import ErrorCategory

from barkclient.integrations.pipecat import BarkTTSService
from tests.apps.pipecat_conversation import conversing
from tests.apps.flaky_proxy import Line

TOKENS = ("The fox", " is here. ", "The dog (old)", " is there, and", " it sleeps.")
PATIENT = {"stop_frame_timeout_s": 60.0}  # by itself it drops what a busy machine sends after 3 s
LONG = "This is a long answer that nobody wants to hear to its end. " * 6


@pytest.mark.parametrize("mode", TextAggregationMode)
async def test_answers_are_spoken_and_remembered_as_written(
    server: str, mode: TextAggregationMode
) -> None:
    service = BarkTTSService(server, voice="v2/slt", text_aggregation_mode=mode)
    async with conversing(service, sample_rate=16_000) as conversation:
        await conversation.answer(*TOKENS)
        await conversation.answer("Two is more than one.")
        await conversation.worker.queue_frame(TTSSpeakFrame("And that is all."))
        said = await conversation.remembered(3)
    assert said == ["".join(TOKENS), "Two is more than one.", "And that is all."]
    assert {frame.sample_rate for frame in conversation.ear.audio} == {16_000}
    assert conversation.ear.seconds() > 4
    assert conversation.errors == []


async def test_first_sentence_is_spoken_before_second_is_written(server: str) -> None:
    async with conversing(BarkTTSService(server)) as conversation:
        await conversation.begin()
        await conversation.write("The fox is here. The")
        await conversation.ear.until(lambda: len(conversation.ear.audio) > 0)
        await conversation.write(" dog is there.")
        await conversation.end()
        assert await conversation.remembered(1) == ["The fox is here. The dog is there."]


async def test_text_without_spaces_is_remembered_as_written(server: str) -> None:
    async with conversing(BarkTTSService(server)) as conversation:
        await conversation.answer("こんにちは。", "元気です。")
        assert await conversation.remembered(1) == ["こんにちは。元気です。"]


async def test_interruption_stops_server_and_keeps_spoken_text(server: str, line: Line) -> None:
    async with conversing(BarkTTSService(line.address)) as conversation:
        ear = conversation.ear
        await conversation.begin()
        await conversation.write(LONG)
        await ear.until(lambda: ear.seconds() > 1)
        await conversation.interrupt()
        (heard,) = await conversation.remembered(1)
        await line.idle()
        sent = len(ear.audio)
        await conversation.answer("Yes, I listen.")
        assert len(ear.audio) > sent
        said = await conversation.remembered(2)
    assert said == [heard, "Yes, I listen."]
    assert LONG.startswith(heard)
    assert 0 < len(heard) < len(LONG) / 2
    assert conversation.errors == []


async def test_service_works_again_after_server_returns(server: str, line: Line) -> None:
    async with conversing(BarkTTSService(line.address)) as conversation:
        await line.cut()
        for _ in range(3):
            await conversation.answer("Nobody", " hears", " this.")
        assert {ErrorCategory.CONNECTIVITY} < {error.category for error in conversation.errors}
        assert conversation.ear.audio == []
        await line.mend()
        while not conversation.ear.audio:  # the channel tries again after a while
            await conversation.answer("Somebody hears this.")


async def test_service_waits_for_a_slow_server(line: Line) -> None:
    """Pipecat by itself gives an answer up after three silent seconds."""
    async with conversing(BarkTTSService(line.address)) as conversation:
        await conversation.answer("Hello.")
        line.hold()
        answering = asyncio.create_task(conversation.answer("The fox is here."))
        await asyncio.sleep(4)
        line.release()
        await answering
        assert await conversation.remembered(2) == ["Hello.", "The fox is here."]
    assert conversation.errors == []


async def test_broken_connection_ends_only_its_answer(server: str, line: Line) -> None:
    async with conversing(BarkTTSService(line.address)) as conversation:
        ear = conversation.ear
        await conversation.begin()
        await conversation.write(LONG)
        await ear.until(lambda: len(ear.audio) > 0)
        await line.cut()
        await line.mend()
        await conversation.write("And what is written behind it is not spoken.")
        await conversation.end()
        await ear.until(lambda: ear.stopped == 1)
        errors, sent = [error.category for error in conversation.errors], len(ear.audio)
        await conversation.answer("The next one is.")
    assert errors == [ErrorCategory.CONNECTIVITY]
    assert len(ear.audio) > sent


async def test_unknown_voice_disables_service_until_it_changes(
    server: str,
) -> None:
    service = BarkTTSService(server, voice="nobody")
    async with conversing(service) as conversation:
        await conversation.answer("Hello.")
        assert [error.category for error in conversation.errors] == [ErrorCategory.INVALID_REQUEST]
        assert "nobody" in conversation.errors[0].error
        assert not service.is_usable
        delta = TTSSettings(voice="v2/rms")
        await conversation.worker.queue_frame(TTSUpdateSettingsFrame(delta=delta))
        await service.set_usable(True)
        await conversation.answer("Hello.")
        assert conversation.ear.seconds() > 0


async def test_unspeakable_text_does_not_affect_the_next(server: str) -> None:
    service = BarkTTSService(server)
    async with conversing(service) as conversation:
        for _ in range(4):
            await conversation.answer("👍")
        categories = {error.category for error in conversation.errors}
        assert categories == {ErrorCategory.APPLICATION, ErrorCategory.UNKNOWN}  # why; and silence
        await conversation.answer("Hello.")
        assert conversation.ear.seconds() > 0


@pytest.mark.parametrize("mode", NvidiaTTSSynthesisMode)
async def test_pipecats_nvidia_service_works_with_our_address(
    mode: NvidiaTTSSynthesisMode, server: str, line: Line
) -> None:
    settings = NvidiaTTSService.Settings(synthesis_mode=mode)
    service = NvidiaTTSService(server=server, use_ssl=False, settings=settings, **PATIENT)
    async with conversing(service) as conversation:
        ear = conversation.ear
        await conversation.answer(*TOKENS)
        assert ear.seconds() > 2
        await conversation.begin()
        await conversation.write(LONG)
        sent = ear.seconds()
        await ear.until(lambda: ear.seconds() > sent)
        await conversation.interrupt()
        await line.idle()
        sent = ear.seconds()
        await conversation.answer("Yes, I listen.")
        assert ear.seconds() > sent
    assert conversation.errors == []


async def test_pipecats_nvidia_service_uses_our_voice_names(server: str) -> None:
    settings = NvidiaTTSService.Settings(voice="Bark.v2/awb")
    service = NvidiaTTSService(
        server=server, use_ssl=False, settings=settings, sample_rate=8_000, **PATIENT
    )
    async with conversing(service) as conversation:
        await conversation.answer("Hello.")
    assert {frame.sample_rate for frame in conversation.ear.audio} == {8_000}
    assert conversation.errors == []
