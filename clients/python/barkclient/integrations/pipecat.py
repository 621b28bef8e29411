"""Text to speech for Pipecat: `pip install 'barkclient[pipecat]'`.

    from barkclient.integrations.pipecat import BarkTTSService

    Pipeline([transport.input(), stt, llm, BarkTTSService("localhost:50051"), ...])

Text is sent to the server token by token. Speech starts with the first sentence. Words have times,
which keeps the context after an interrupted answer correct. An interruption cancels the synthesis
on the server.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import CancelFrame, EndFrame, Frame, TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TextAggregationMode, TTSService
from pipecat.utils.errors import ErrorCategory

from barkclient import errors
from barkclient._internal.channel import DEFAULT_TARGET
from barkclient._internal.spoken_text import SpokenText
from barkclient._internal.token import Token
from barkclient.async_client import AsyncClient
from barkclient.async_speech import AsyncSpeechContext, AsyncSpeechStream
from barkclient.options import StreamOptions
from barkclient.responses import WordTime
from barkclient.tls import Tls

_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana, Han


@dataclass
class _Answer:
    """One answer. It has its own call: its failure does not affect others."""

    call: AsyncSpeechStream
    speech: AsyncSpeechContext
    text: SpokenText = field(default_factory=SpokenText)
    ended: bool = False  # all text has been sent
    receiving: asyncio.Task[None] | None = None


class BarkTTSService(TTSService):
    """Speaks through a barkserve orchestrator.

    Args:
        target: HOST:PORT of the orchestrator.
        voice: a name or a handle; None: the server's default.
        language: a BCP 47 code, to find sentence ends; None: the voice's.
        tls: certificates; None: plaintext.
        token: sent with each call, or a function that returns it; see AsyncClient.
        insecure: whether the token may be sent in plaintext to another machine.
        options: further options of a synthesis.
        service: keyword arguments of Pipecat's TTSService.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        voice: str | None = None,
        language: str | None = None,
        tls: Tls | None = None,
        token: Token | None = None,
        insecure: bool = False,
        options: StreamOptions | None = None,
        **service: Any,
    ) -> None:
        defaults = {
            "text_aggregation_mode": TextAggregationMode.TOKEN,  # the server finds the sentences
            "append_trailing_space": True,  # if Pipecat splits the text nevertheless
            "stop_frame_timeout_s": 60.0,  # the server signals the end of an answer
            "max_consecutive_zero_audio_contexts": 0,  # an error already explains a silent answer
        }
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            settings=TTSSettings(model="bark", voice=voice, language=language),
            **{**defaults, **service},
        )
        self._client = AsyncClient(target, tls=tls, token=token, insecure=insecure)
        self._options: StreamOptions = options or {}
        self._answers: dict[str, _Answer] = {}

    def can_generate_metrics(self) -> bool:
        """Whether Pipecat may measure this service."""
        return True

    @property
    def supports_processing_metrics(self) -> bool:
        """Not supported: audio arrives while text is still being sent."""
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Send text. A separate task receives its audio."""
        try:
            answer = self._answers.get(context_id) or self._open(context_id)
        except errors.BarkClientError as error:
            await self._report(error)
            return
        answer.text.write(text)
        answer.speech.send(text)
        await self.start_tts_usage_metrics(text)
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        """End the text of an answer."""
        answer = self._answers.get(context_id or "")
        if answer is not None:
            answer.ended = True
            answer.speech.end()
            await self._close_if_over(context_id or "", answer)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Cancel an answer on the server."""
        await self.stop_all_metrics()
        await self._cancel_answers(context_id)
        await super().on_audio_context_interrupted(context_id)

    async def stop(self, frame: EndFrame) -> None:
        """Cancel all answers at the end of the pipeline."""
        await super().stop(frame)
        await self._cancel_answers(*self._answers)

    async def cancel(self, frame: CancelFrame) -> None:
        """Cancel all answers when the pipeline is cancelled."""
        await super().cancel(frame)
        await self._cancel_answers(*self._answers)

    async def cleanup(self) -> None:
        """Cancel all answers and close the connection."""
        await super().cleanup()
        await self._cancel_answers(*self._answers)
        await self._client.close()

    def _open(self, context_id: str) -> _Answer:
        settings, call = self._settings, self._client.stream()
        options: StreamOptions = {
            **self._options,
            "voice": settings.voice or None,
            "language": str(settings.language or ""),
            "encoding": "pcm16",
            "sample_rate": self.sample_rate,
            "word_times": True,
        }
        answer = self._answers[context_id] = _Answer(call, call.speak(**options))
        answer.receiving = self.create_task(self._receive(context_id, answer))
        return answer

    async def _cancel_answers(self, *context_ids: str) -> None:
        for context_id in context_ids:
            answer = self._answers.pop(context_id, None)
            if answer is not None:
                await answer.call.aclose()
                if answer.receiving is not None:
                    await self.cancel_task(answer.receiving)

    async def _receive(self, context_id: str, answer: _Answer) -> None:
        emitted = 0
        try:
            async for chunk in answer.speech:
                await self._emit_words(context_id, chunk.words, answer.text)
                emitted += len(chunk.words)
                frame = TTSAudioRawFrame(chunk.audio, chunk.sample_rate, 1, context_id=context_id)
                await self.append_to_audio_context(context_id, frame)
            await self._emit_words(context_id, answer.speech.words[emitted:], answer.text)
        except errors.BarkClientError as error:
            if self._answers.get(context_id) is answer:
                await self._report(error)
        answer.receiving = None
        await self._close_if_over(context_id, answer)

    async def _emit_words(
        self, context_id: str, words: Iterable[WordTime], text: SpokenText
    ) -> None:
        for word in words:
            await self.add_word_timestamps(
                [(text.until(word).strip(), word.start_s)],
                context_id,
                includes_inter_frame_spaces=_UNSPACED.match(word.word) is not None,
            )

    async def _close_if_over(self, context_id: str, answer: _Answer) -> None:
        """End the audio context after the last audio.

        A failed answer first waits for the end of its text, which is not spoken.
        """
        if answer.ended and answer.receiving is None and context_id in self._answers:
            del self._answers[context_id]
            await answer.call.aclose()
            stopped = TTSStoppedFrame(context_id=context_id)
            await self.append_to_audio_context(context_id, stopped)
            await self.remove_audio_context(context_id)

    async def _report(self, error: errors.BarkClientError) -> None:
        await self.push_error(str(error), exception=error, category=_category(error))


def _category(error: errors.BarkClientError) -> ErrorCategory:
    """Map an error to Pipecat's categories.

    Pipecat stops using a service after INVALID_REQUEST. A text that cannot be spoken must therefore
    have another category.
    """
    match error:
        case errors.InvalidRequest(violations=violations) if any(
            v.field == "text" for v in violations
        ):
            return ErrorCategory.APPLICATION
        case (
            errors.InvalidRequest()
            | errors.Unauthenticated()
            | errors.PermissionDenied()
            | errors.VoiceNotFound()
            | errors.PreconditionFailed()
        ):
            return ErrorCategory.INVALID_REQUEST
        case errors.Overloaded():
            return ErrorCategory.RATE_LIMIT
        case errors.RetryableError():
            return ErrorCategory.CONNECTIVITY
        case errors.ServerError():
            return ErrorCategory.SERVER
        case _:
            return ErrorCategory.UNKNOWN
