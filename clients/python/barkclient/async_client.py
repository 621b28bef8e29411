"""The asynchronous client: one channel, and a synthesis as an async iterator of audio chunks."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from barkclient.channel import DEFAULT_TARGET, channel_options, speech_stub
from barkclient.errors import map_errors
from barkclient.options import SynthesisOptions, build_request
from barkclient.responses import AudioChunk, Progress
from barkclient.voices import Voice
from barkserve.v1 import speech_pb2


class AsyncClient:
    """A client of one server; it belongs to the event loop in which it is first used.

    Args:
        target: HOST:PORT of the orchestrator, or any name that gRPC resolves.
        timeout: seconds a call may take in all, unless the call says otherwise; None is no limit.
    """

    def __init__(self, target: str = DEFAULT_TARGET, *, timeout: float | None = None) -> None:
        self._target = target
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = None

    def synthesize(
        self, text: str, *, timeout: float | None = None, **options: Unpack[SynthesisOptions]
    ) -> "AsyncSynthesis":
        """Sends the request at once; iterate over what is returned to hear it."""
        request = build_request(text, **options)
        call = self._stub().Synthesize(
            request, timeout=self._timeout if timeout is None else timeout
        )
        return AsyncSynthesis(call, self, self._target)

    async def voices(self, *, timeout: float | None = None) -> list[Voice]:  # noqa: ASYNC109
        """The voices that can be named, in alphabetical order."""
        request = speech_pb2.ListVoicesRequest()
        with map_errors(self._target):
            response = await self._stub().ListVoices(
                request, timeout=self._timeout if timeout is None else timeout
            )
        return [Voice(voice.name, voice.is_default) for voice in response.voices]

    async def close(self) -> None:
        """Cancels what is still being spoken and closes the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _stub(self) -> Any:
        if self._channel is None:
            asyncio.get_running_loop()  # gRPC would take some other loop without a word
            options = channel_options(self._target)
            self._channel = grpc.aio.insecure_channel(self._target, options=options)
        return speech_stub(self._channel)


class AsyncSynthesis(Progress):
    """One text being spoken: an async iterator of its audio.

    Closing it, dropping it, or cancelling the task that reads it cancels the call on the server.
    """

    def __init__(self, call: Any, client: AsyncClient, target: str) -> None:
        super().__init__()
        self._call = call
        self._responses: AsyncIterator[speech_pb2.SynthesizeResponse] = aiter(call)
        self._client = client  # keeps the channel open
        self._target = target

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AudioChunk:
        with map_errors(self._target):
            async for response in self._responses:
                chunk = self._transcript.push(response)
                if chunk is not None:
                    return chunk
        self._transcript.end()
        raise StopAsyncIteration

    async def read(self) -> AudioChunk:
        """All audio that has not been read yet, as one chunk."""
        return self._join([chunk async for chunk in self])

    async def aclose(self) -> None:
        """Stops speaking. Whoever is reading at this moment gets Cancelled."""
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._call.cancel()  # `break` out of a loop leaves nobody to listen
