"""One Wyoming connection: requests in, speech out."""

import asyncio
from contextlib import suppress
from dataclasses import replace

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
)

from barkclient import AsyncClient, AsyncSynthesis, BarkClientError
from barkserve.gateway.backend import Backend
from barkserve.gateway.drain import SHUTTING_DOWN
from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.wyoming.description import describe
from barkserve.gateway.wyoming.event_reader import LINE_BYTES, EventReader
from barkserve.gateway.wyoming.request import SpeechRequest, text_of
from barkserve.request_id import begin_request
from barkserve.tracing import serving, trace_id_of

_SAMPLE_BYTES = 2
_MAX_WAITING_REQUESTS = 8
_FIRST_EVENT_S = 30.0
_IDLE_S = 300.0
_WRITE_S = 60.0
_LINGER_S = 2.0


class Connection:
    """A connection that speaks one request after the other.

    It goes on reading while it speaks: a peer that closes the connection stops the computation.
    The first error is sent as an `error` event, and then the connection is closed. Home Assistant
    would wait for audio otherwise.

    Args:
        reader: the peer's events.
        writer: sends events.
        backend: the orchestrator.
        drain: counts the requests, and says when to refuse new ones.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        backend: Backend,
        drain: DrainState,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._backend = backend
        self._drain = drain
        self._waiting: asyncio.Queue[SpeechRequest] = asyncio.Queue(_MAX_WAITING_REQUESTS)
        self._writing: SpeechRequest | None = None  # its text is still being received
        self._unfinished = 0

    @property
    def _client(self) -> AsyncClient:
        """A client for this peer, which has no token."""
        peer: tuple[str, int] | None = self._writer.get_extra_info("peername")
        return self._backend.client({}, peer[0] if peer else "")

    async def run(self) -> None:
        """Serve until the peer leaves, is idle for too long, or an error occurs."""
        try:
            await self._serve()
        except (ConnectionError, TimeoutError):
            pass  # the peer left or reads nothing
        except BarkClientError as error:
            await self.refuse(HttpFailure.from_error(error))
        except HttpFailure as failure:
            await self.refuse(failure)

    async def refuse(self, failure: HttpFailure) -> None:
        """Send an error. Unread input would make the system drop it, so read the input first."""
        with suppress(ConnectionError, TimeoutError):
            await self._send(Error(failure.message, failure.code))
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                while await self._reader.read(LINE_BYTES):
                    pass

    async def _serve(self) -> None:
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._speak_all())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        events = EventReader(self._reader)
        idle_s = _FIRST_EVENT_S
        while True:
            try:
                event = await events.read(idle_s)
            except TimeoutError:
                if self._unfinished:
                    continue
                return
            if event is None:
                return
            await self._handle(event)
            idle_s = _IDLE_S

    async def _handle(self, event: Event) -> None:
        """Handle one event. Unknown ones are ignored, as the protocol demands."""
        if Describe.is_type(event.type):
            await self._send(await describe(self._client))
        elif Ping.is_type(event.type):
            text = str(Ping.from_event(event).text or "")
            await self._send(Pong(text.encode(errors="replace").decode()))
        elif SynthesizeStart.is_type(event.type):
            await self._end_text()
            self._writing = await self._accept(event, is_streamed=True)
        elif SynthesizeChunk.is_type(event.type) and self._writing:
            await self._writing.texts.put(text_of(event))
        elif SynthesizeStop.is_type(event.type):
            await self._end_text()
        elif Synthesize.is_type(event.type) and not self._writing:
            # Within a streamed text this event repeats the whole text, for older servers.
            text = text_of(event)
            request = await self._accept(event, is_streamed=False)
            request.texts.put_nowait(text)
            request.texts.put_nowait(None)

    async def _accept(self, event: Event, is_streamed: bool) -> SpeechRequest:
        if self._drain.draining:
            raise replace(SHUTTING_DOWN)
        request = SpeechRequest.from_event(event, is_streamed)
        self._unfinished += 1
        await self._waiting.put(request)
        return request

    async def _end_text(self) -> None:
        if self._writing is not None:
            request, self._writing = self._writing, None
            await request.texts.put(None)

    async def _speak_all(self) -> None:
        while True:
            request = await self._waiting.get()
            with serving("Wyoming synthesize", {}) as span, self._drain.counted():
                begin_request(trace_id=trace_id_of(span))
                await self._speak(request)
            self._unfinished -= 1

    async def _speak(self, request: SpeechRequest) -> None:
        synthesis = await request.start(self._client)
        if synthesis is not None:
            async with synthesis:
                await self._send_audio(synthesis)
        if request.is_streamed:
            await self._send(SynthesizeStopped())

    async def _send_audio(self, synthesis: AsyncSynthesis) -> None:
        """Send `audio-start`, the chunks, and `audio-stop`. A speech always has audio."""
        end_ms = 0
        async for chunk in synthesis:
            shape = chunk.sample_rate, _SAMPLE_BYTES, 1
            begin_ms = chunk.first_sample * 1000 // chunk.sample_rate
            end_ms = (chunk.first_sample + chunk.sample_count) * 1000 // chunk.sample_rate
            if chunk.first_sample == 0:
                await self._send(AudioStart(*shape, timestamp=0))
            await self._send(AudioChunk(*shape, audio=chunk.audio, timestamp=begin_ms))
        await self._send(AudioStop(end_ms))

    async def _send(self, event: Eventable) -> None:
        async with asyncio.timeout(_WRITE_S):
            await async_write_event(event.event(), self._writer)
