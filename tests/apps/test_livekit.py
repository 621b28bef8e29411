"""LiveKit with barkclient.integrations.livekit, and with its own NVIDIA plugin."""

import asyncio
from itertools import pairwise

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError
from livekit.plugins import nvidia

import barkclient.integrations.livekit
from tests.apps.flaky_proxy import FlakyProxy
from tests.apps.livekit_audio import Spoken, collected, synthesis
from tests.apps.livekit_session import remembered, running_session

TOKENS = ("The fox", " is here. ", "The dog (old)", " is there, and", " it waits.")
LONG = "This is a long answer that will be cut off before it ends. " * 6


@pytest.mark.parametrize("sample_rate", [8_000, 24_000])
async def test_timed_words_join_to_the_text(server: str, sample_rate: int) -> None:
    async with barkclient.integrations.livekit.TTS(
        server, voice="v2/slt", sample_rate=sample_rate
    ) as service:
        spoken = await collected(synthesis(service, *TOKENS))
        seconds, words = spoken.seconds, spoken.words
        assert "".join(words) == "".join(TOKENS)
        starts = [word.start_time for word in words]
        assert len(starts) == len("".join(TOKENS).split())
        assert all(first <= second for first, second in pairwise(starts))
        assert 0.3 < starts[-1] < words[-1].end_time <= seconds + 0.1
        whole = await service.synthesize("".join(TOKENS)).collect()
        assert whole.sample_rate == sample_rate
        assert whole.duration > 2


async def test_first_sentence_is_spoken_before_second_is_written(server: str) -> None:
    async with barkclient.integrations.livekit.TTS(server) as service, service.stream() as stream:
        stream.push_text("The fox is here. The")
        await anext(stream)
        stream.push_text(" dog is there.")
        stream.end_input()
        rest = [event async for event in stream]
    assert rest[-1].is_final


async def test_blank_text_makes_no_call(server: str) -> None:
    async with barkclient.integrations.livekit.TTS("localhost:1") as service:
        assert await collected(synthesis(service, " ", "\n")) == Spoken()


async def test_closed_stream_stops_the_server(proxy: FlakyProxy) -> None:
    async with barkclient.integrations.livekit.TTS(proxy.address) as service:
        async with synthesis(service, LONG) as stream:
            await anext(stream)
        await proxy.wait_idle()
        spoken = await collected(synthesis(service, "Yes, I listen."))
        assert spoken.seconds > 0.5


async def test_invalid_request_is_not_retried(server: str) -> None:
    async with barkclient.integrations.livekit.TTS(server, voice="absent") as service:
        with pytest.raises(APIStatusError, match="absent") as caught:
            await collected(synthesis(service, "Hello."))
        assert (caught.value.status_code, caught.value.retryable) == (404, False)
        service.update_options(voice=None)
        with pytest.raises(APIStatusError, match="nothing to speak") as caught:
            await collected(synthesis(service, "👍"))
        assert (caught.value.status_code, caught.value.retryable) == (400, False)
        assert (await collected(synthesis(service, "Hello."))).seconds > 0.3


async def test_text_that_is_not_unicode_is_an_error(server: str) -> None:
    async with barkclient.integrations.livekit.TTS(server) as service:
        with pytest.raises(APIStatusError, match="cannot be encoded") as caught:
            await collected(synthesis(service, "Hello ", "\ud800"))
    assert (caught.value.status_code, caught.value.retryable) == (400, False)


async def test_stream_retries_until_server_returns(proxy: FlakyProxy) -> None:
    async with barkclient.integrations.livekit.TTS(proxy.address) as service:
        await proxy.cut()
        with pytest.raises(APIConnectionError) as caught:
            await collected(synthesis(service, "This is not spoken."))
        assert caught.value.retryable
        stream = service.stream(conn_options=APIConnectOptions(max_retry=30, retry_interval=0.5))
        stream.push_text("This is spoken now, ")
        await asyncio.sleep(1)
        await proxy.restore()
        stream.push_text("all of it.")
        stream.end_input()
        spoken = await collected(stream)
        assert "".join(spoken.words) == "This is spoken now, all of it."
        assert spoken.seconds > 1


async def test_agent_remembers_only_spoken_text(proxy: FlakyProxy) -> None:
    async with running_session(barkclient.integrations.livekit.TTS(proxy.address)) as (
        session,
        output,
    ):
        await session.say("".join(TOKENS))
        output.playing.clear()
        handle = session.say(LONG)
        await output.playing.wait()
        await asyncio.sleep(1)
        await session.interrupt()
        await handle
        await proxy.wait_idle()
        await session.say("Yes, I listen.")
        first, second, third = remembered(session)
    assert (first, third) == ("".join(TOKENS), "Yes, I listen.")
    assert LONG.startswith(second)
    assert 0 < len(second) < len(LONG) / 2


async def test_livekits_nvidia_plugin_works_with_our_address(server: str) -> None:
    async with nvidia.TTS(server=server, use_ssl=False) as service:
        assert service.list_voices() == {
            "en-US": {"voices": ["Bark.v2/awb", "Bark.v2/rms", "Bark.v2/slt"]}
        }
        assert (await collected(synthesis(service, *TOKENS))).seconds > 2
    async with nvidia.TTS(server=server, use_ssl=False, voice="Bark.v2/awb") as service:
        assert (await collected(service.synthesize("Hello."))).seconds > 0.3
