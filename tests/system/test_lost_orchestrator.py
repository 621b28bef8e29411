"""An orchestrator that is killed, cut off or hung in mid-speech costs its clients no sample."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest_asyncio

from barkclient import AsyncClient, Client
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.orchestrators import Orchestrators, running_orchestrators
from tests.support.tcp_proxy import running_proxy

# With longer segments, FIRST would not fill one, and would wait for more text: `max_delay_ms`.
SPEC = replace(never_ending(TINY), max_new_tokens=60, block_size=1024)
FIRST, SECOND = "hello the world. ", "The fox, it laughs. So do I."
MOVE_S = 15.0
"""Generous for a loaded machine: a hung orchestrator is left after two or three seconds."""


@pytest_asyncio.fixture
async def orchestrators(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> AsyncIterator[Orchestrators]:
    async with running_orchestrators(checkpoint_of(SPEC)) as started:
        yield started


async def uncut(orchestrators: Orchestrators, text: str) -> bytes:
    """What the text sounds like when nothing fails."""
    async with AsyncClient(orchestrators.second.address) as client:
        return (await client.synthesize(text, seed=1).read()).audio


async def test_context_survives_a_killed_orchestrator(orchestrators: Orchestrators) -> None:
    whole = await uncut(orchestrators, FIRST + SECOND)
    async with (
        AsyncClient(orchestrators.target) as client,
        client.stream() as call,
        call.speak(seed=1, word_times=True, max_delay_ms=60_000) as answer,
    ):
        answer.send(FIRST)
        first = answer.flush()
        await answer.wait_flushed(first)
        audio = [await anext(answer)]
        orchestrators.first.process.kill()
        await orchestrators.first.process.wait()
        answer.send(SECOND)  # during the outage
        second = answer.flush()
        answer.end()
        audio += [chunk async for chunk in answer]
        assert answer.flushed == (first, second)
        spoken = [word.word for word in answer.words]
    assert b"".join(chunk.audio for chunk in audio) == whole
    assert spoken == ["hello", "the", "world", "The", "fox", "it", "laughs", "So", "do", "I"]


async def test_contexts_survive_cut_connections(orchestrators: Orchestrators) -> None:
    """Two contexts of one call, and a text stream, cut several times."""

    async def typing() -> AsyncIterator[str]:
        yield FIRST
        await asyncio.sleep(0.2)
        yield SECOND

    whole = await uncut(orchestrators, FIRST + SECOND)
    other = await uncut(orchestrators, SECOND)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(running_proxy(orchestrators.first.address))
        client = await stack.enter_async_context(AsyncClient(proxy.address))
        call = await stack.enter_async_context(client.stream())
        contexts = [call.speak(seed=1, max_delay_ms=60_000) for _ in range(2)]
        for context, text in zip(contexts, (FIRST + SECOND, SECOND), strict=True):
            context.send(text)
            context.end()
        streamed = client.synthesize_stream(typing(), seed=1, max_delay_ms=60_000)
        heard = [await anext(contexts[0])]
        typed = [await anext(streamed)]
        proxy.target = orchestrators.second.address
        proxy.cut()
        heard += [await anext(contexts[0])]
        proxy.cut()
        heard += [chunk async for chunk in contexts[0]]
        typed += [chunk async for chunk in streamed]
        rest = [chunk async for chunk in contexts[1]]
    assert b"".join(chunk.audio for chunk in heard) == whole
    assert b"".join(chunk.audio for chunk in rest) == other
    assert b"".join(chunk.audio for chunk in typed) == whole


async def test_flac_survives_a_killed_orchestrator(orchestrators: Orchestrators) -> None:
    async with AsyncClient(orchestrators.target) as client:
        whole = await client.synthesize(FIRST + SECOND, seed=1, encoding="flac").read()
        synthesis = client.synthesize(FIRST + SECOND, seed=1, encoding="flac")
        audio = [await anext(synthesis), await anext(synthesis)]
        orchestrators.first.process.kill()
        audio += [chunk async for chunk in synthesis]
    assert b"".join(chunk.audio for chunk in audio) == whole.audio


async def test_clients_leave_a_hung_orchestrator(orchestrators: Orchestrators) -> None:
    """SIGSTOP: the kernel still accepts connections, and nothing answers."""
    whole = await uncut(orchestrators, FIRST + SECOND)
    loop = asyncio.get_running_loop()

    def blocking() -> tuple[bytes, float]:
        def typing() -> Iterator[str]:
            yield FIRST
            stopped.result()
            yield SECOND

        stopped = asyncio.run_coroutine_threadsafe(hung.wait(), loop)
        with Client(orchestrators.target) as client:
            synthesis = client.synthesize_stream(typing(), seed=1, max_delay_ms=60_000)
            audio = next(synthesis).audio
            loop.call_soon_threadsafe(begun.set)
            stopped.result()
            longest_s, before = 0.0, time.monotonic()
            for chunk in synthesis:
                now = time.monotonic()
                longest_s, before = max(longest_s, now - before), now
                audio += chunk.audio
            return audio, longest_s

    hung, begun = asyncio.Event(), asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(blocking))
    await begun.wait()
    async with AsyncClient(orchestrators.target) as client, client.stream() as call:
        context = call.speak(seed=1, max_delay_ms=60_000)
        context.send(FIRST)
        audio = [await anext(context)]
        orchestrators.first.process.send_signal(signal.SIGSTOP)
        hung.set()
        context.send(SECOND)
        context.end()
        longest_s, before = 0.0, time.monotonic()
        async for chunk in context:
            now = time.monotonic()
            longest_s, before = max(longest_s, now - before), now
            audio.append(chunk)
        read, also_longest_s = await reading
    assert b"".join(chunk.audio for chunk in audio) == read == whole
    assert max(longest_s, also_longest_s) < MOVE_S
