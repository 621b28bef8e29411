"""Replacing an orchestrator while clients speak through one address, as a Kubernetes Service.

Existing connections stay with the old replica; new ones reach the new replica.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barkclient import AsyncClient, ServerUnavailable
from barkclient.async_speech import AsyncSpeechStream
from barkserve.constants import STAGES
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.processes import ServiceProcess, service_process
from tests.support.services import running
from tests.support.tcp_proxy import TcpProxy, running_proxy

SPEC = replace(never_ending(TINY), max_new_tokens=120, block_size=1024)


class Caller:
    """Speaks the same text over a client's one connection until a rollout has ended, and once more.

    Attributes:
        spoken: samples of each utterance.
        begun: set at the first audio of the second utterance.
    """

    def __init__(self, client: AsyncClient, seed: int) -> None:
        self._client, self._seed = client, seed
        self.spoken: list[int] = []
        self.begun = asyncio.Event()

    async def call(self, rolling: "asyncio.Task[None]") -> None:
        """Speak. Raises what the client raises."""
        last = False
        while not last:
            last = rolling.done()
            samples = 0
            async for chunk in self._client.synthesize("hello the world", seed=self._seed):
                samples += chunk.sample_count
                if self.spoken:
                    self.begun.set()
            self.spoken.append(samples)


async def test_orchestrator_rollout_fails_no_stream(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with AsyncExitStack() as stack:
        start = await _orchestrators(checkpoint_of(SPEC), stack)
        old, new = await start(), await start()
        proxy = await stack.enter_async_context(running_proxy(old.address))
        client = await stack.enter_async_context(AsyncClient(proxy.address))
        callers = [Caller(client, seed) for seed in range(3)]
        rolling = asyncio.create_task(_roll(proxy, old, new, callers))
        await asyncio.gather(rolling, *(caller.call(rolling) for caller in callers))
    for caller in callers:
        assert len(caller.spoken) >= 3
        assert len(set(caller.spoken)) == 1, "a stream lost or repeated samples"


async def test_client_continues_when_orchestrator_is_killed(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with AsyncExitStack() as stack:
        start = await _orchestrators(checkpoint_of(SPEC), stack)
        killed, other = await start(), await start()
        proxy = await stack.enter_async_context(running_proxy(killed.address))
        client = await stack.enter_async_context(AsyncClient(proxy.address))
        undisturbed = client.synthesize("hello the world", seed=1, word_times=True)
        whole = await undisturbed.read()
        synthesis = client.synthesize("hello the world", seed=1, word_times=True)
        chunks = [await anext(synthesis)]
        killed.process.kill()
        proxy.target = other.address
        chunks += [chunk async for chunk in synthesis]
    assert chunks[0].sample_count < whole.sample_count
    assert proxy.connections == 2
    received = np.concatenate([chunk.samples() for chunk in chunks])
    np.testing.assert_allclose(received, whole.samples(), atol=2 / 32768)
    assert synthesis.words == undisturbed.words
    assert synthesis.started == replace(
        undisturbed.started, request_id=synthesis.started.request_id
    )


async def test_draining_call_ends_after_its_contexts(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with AsyncExitStack() as stack:
        orchestrator = await (await _orchestrators(checkpoint_of(SPEC), stack))()
        client = await stack.enter_async_context(AsyncClient(orchestrator.address))
        call = await stack.enter_async_context(client.stream())
        answer = call.speak(seed=1)
        answer.send("hello the world. the")
        received = (await anext(answer)).sample_count
        orchestrator.process.terminate()
        with pytest.raises(ServerUnavailable, match="shutting down"):
            await _speak_until_refused(call)
        answer.send(" brown fox.")
        answer.end()
        received += sum([chunk.sample_count async for chunk in answer])
        assert (answer.finished.finish_reason, answer.finished.sample_count) == ("length", received)
        assert answer.finished.segments[-1].text_end == len("hello the world. the brown fox.")
        assert await orchestrator.process.wait() == 0


async def _orchestrators(
    folder: Path, stack: AsyncExitStack
) -> Callable[[], Awaitable[ServiceProcess]]:
    """Start the four stages; returns a function that starts an orchestrator for them."""
    stages = [await stack.enter_async_context(running(name, folder)) for name in STAGES]
    words = [f"--{name}={stage.address}" for name, stage in zip(STAGES, stages, strict=True)]
    words.append("--drain-seconds=600")
    return lambda: stack.enter_async_context(service_process("orchestrator", folder, *words))


async def _speak_until_refused(call: AsyncSpeechStream) -> None:
    """Speak one context after another."""
    while True:
        context = call.speak(seed=2)
        context.send("hello.")
        context.end()
        async for _ in context:
            pass


async def _roll(
    proxy: TcpProxy, old: ServiceProcess, new: ServiceProcess, callers: list[Caller]
) -> None:
    """Terminate the old orchestrator while all callers speak, and wait until it exits."""
    for caller in callers:
        await caller.begun.wait()
    proxy.target = new.address
    old.process.terminate()
    assert await old.process.wait() == 0
