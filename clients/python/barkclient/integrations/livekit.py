"""Text to speech for LiveKit Agents: `pip install 'barkclient[livekit]'`.

    from barkclient.integrations import livekit

    session = AgentSession(tts=livekit.TTS("localhost:50051"), use_tts_aligned_transcript=True)

Text is sent to the server while it is being written. Speech starts with the first sentence. Words
have times, which keeps the transcript of an interrupted answer correct. An interruption cancels the
synthesis on the server.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from livekit.agents import (
    APIConnectionError,
    APIConnectOptions,
    APIError,
    APIStatusError,
    APITimeoutError,
    tts,
    utils,
)
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    NotGivenOr,
    TimedString,
)

from barkclient import errors
from barkclient._internal.channel import DEFAULT_TARGET
from barkclient._internal.spoken_text import SpokenText
from barkclient._internal.token import Token
from barkclient.async_client import AsyncClient
from barkclient.async_speech import AsyncSpeechContext
from barkclient.options import StreamOptions
from barkclient.responses import WordTime
from barkclient.tls import Tls

_STATUS: dict[type[errors.BarkClientError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.VoiceNotFound: 404,
    errors.PreconditionFailed: 412,
    errors.Overloaded: 429,
    errors.Cancelled: 499,  # LiveKit then closes the stream without an error
}


class TTS(tts.TTS[Any]):
    """Speaks through a barkserve orchestrator.

    Args:
        target: HOST:PORT of the orchestrator.
        voice: a name or a handle; None: the server's default.
        language: a BCP 47 code, to find sentence ends; empty: the voice's.
        sample_rate: 8000 to 48000 Hz.
        tls: certificates; None: plaintext.
        token: sent with each call, or a function that returns it; see AsyncClient.
        insecure: whether the token may be sent in plaintext to another machine.
        options: further options of a synthesis.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        voice: str | None = None,
        language: str = "",
        sample_rate: int = 24_000,
        tls: Tls | None = None,
        token: Token | None = None,
        insecure: bool = False,
        options: StreamOptions | None = None,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=sample_rate,
            num_channels=1,
        )
        self._client = AsyncClient(target, tls=tls, token=token, insecure=insecure)
        self._options: StreamOptions = {**(options or {})}
        self._options |= {"encoding": "pcm16", "sample_rate": sample_rate, "word_times": True}
        self._options |= {"voice": voice, "language": language}

    def update_options(
        self, *, voice: NotGivenOr[str | None] = NOT_GIVEN, language: NotGivenOr[str] = NOT_GIVEN
    ) -> None:
        """Change voice or language from the next answer on."""
        if utils.is_given(voice):
            self._options["voice"] = voice
        if utils.is_given(language):
            self._options["language"] = language

    @property
    def model(self) -> str:
        """Name of the model family."""
        return "bark"

    @property
    def provider(self) -> str:
        """Name of the server."""
        return "barkserve"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Speak a whole text."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> "SynthesizeStream":
        """Start an answer, whose text is written to the returned stream."""
        return SynthesizeStream(self, self._client, {**self._options}, conn_options)

    async def aclose(self) -> None:
        """Cancel all calls and close the connection."""
        await self._client.close()


class SynthesizeStream(tts.SynthesizeStream):
    """One answer: text is pushed in, audio and timed words are emitted."""

    def __init__(
        self,
        service: TTS,
        client: AsyncClient,
        options: StreamOptions,
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(tts=service, conn_options=conn_options)
        self._client = client
        self._options = options

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        name = utils.shortuuid()
        output_emitter.initialize(
            request_id=name,
            sample_rate=self._tts.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        beginning = await self._first_text()
        if not beginning:
            return
        output_emitter.start_segment(segment_id=name)
        options: StreamOptions = {**self._options, "request_id": name}
        try:
            async with self._client.stream() as call, call.speak(**options) as answer:
                await self._speak(answer, beginning, output_emitter)
        except errors.BarkClientError as error:
            raise _livekit_error(error, name) from error
        output_emitter.end_segment()

    async def _first_text(self) -> str:
        """Return the text up to its first character that is not a space; "" if there is none."""
        text = ""
        async for segment in self._input_ch:
            if isinstance(segment, str):
                text += segment
            if text.strip():
                return text
        return ""

    async def _speak(
        self, answer: AsyncSpeechContext, beginning: str, output_emitter: tts.AudioEmitter
    ) -> None:
        text = SpokenText()
        writing = asyncio.create_task(self._write(answer, beginning, text))
        emitted = 0
        try:
            async for chunk in answer:
                output_emitter.push_timed_transcript(_timed(chunk.words, text))
                emitted += len(chunk.words)
                output_emitter.push(chunk.audio)
            await writing
        finally:
            await utils.aio.cancel_and_wait(writing)
        output_emitter.push_timed_transcript(_timed(answer.words[emitted:], text))
        if rest := text.rest():
            output_emitter.push_timed_transcript(TimedString(rest))

    async def _write(self, answer: AsyncSpeechContext, beginning: str, text: SpokenText) -> None:
        self._mark_started()
        try:
            text.write(beginning)
            answer.send(beginning)
            async for segment in self._input_ch:
                if isinstance(segment, str):
                    text.write(segment)
                    answer.send(segment)
                else:
                    answer.flush()
            answer.end()
        except Exception:
            answer.cancel()
            raise


def _timed(words: Iterable[WordTime], text: SpokenText) -> list[TimedString]:
    return [TimedString(text.until(word), word.start_s, word.end_s) for word in words]


def _livekit_error(error: errors.BarkClientError, request_id: str) -> APIError:
    """Map an error to LiveKit's, which says whether LiveKit retries."""
    if isinstance(error, errors.DeadlineExceeded):
        return APITimeoutError(str(error))
    if isinstance(error, errors.ServerUnavailable):
        return APIConnectionError(str(error))
    status = _STATUS.get(type(error), 500)
    return APIStatusError(str(error), status_code=status, request_id=request_id)
