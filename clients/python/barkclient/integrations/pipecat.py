"""Text to speech for Pipecat: `pip install 'barkclient[pipecat]'`.

Pipeline([transport.input(), stt, llm, barkclient.integrations.pipecat.BarkTTSService("localhost:50051"), ...])

An answer goes to the server token by token, and is spoken from its first sentence on. Its words
come with their times, so that the context of an interrupted answer holds what was heard. An
interruption stops the server.
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
from barkclient.async_client import AsyncClient
from barkclient.async_speech import AsyncSpeechContext, AsyncSpeechStream
from barkclient.options import StreamOptions
from barkclient.responses import WordTime
from barkclient.tls import Tls

_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana, Han


@dataclass
class _Answer:
    """One answer: a call of its own, so that what befalls it befalls no other."""

    call: AsyncSpeechStream
    speech: AsyncSpeechContext
    text: SpokenText = field(default_factory=SpokenText)
    ended: bool = False  # no more text comes
    listening: asyncio.Task[None] | None = None


class BarkTTSService(TTSService):
    """Speaks through a barkserve orchestrator.

    Args:
        target: HOST:PORT of it.
        voice: a name or a handle; None is the server's default.
        language: a BCP 47 code, for finding sentence ends; None: the voice's.
        tls: how to know the server; None is plaintext.
        options: all else that can be asked of a synthesis.
        service: keywords of Pipecat's TTSService.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        voice: str | None = None,
        language: str | None = None,
        tls: Tls | None = None,
        options: StreamOptions | None = None,
        **service: Any,
    ) -> None:
        defaults = {
            "text_aggregation_mode": TextAggregationMode.TOKEN,  # the server finds the sentences
            "append_trailing_space": True,  # where Pipecat finds them all the same
            "stop_frame_timeout_s": 60.0,  # the server says when an answer is over
            "max_consecutive_zero_audio_contexts": 0,  # silence comes with an error that says why
        }
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            settings=TTSSettings(model="bark", voice=voice, language=language),
            **{**defaults, **service},
        )
        self._client = AsyncClient(target, tls=tls)
        self._options: StreamOptions = options or {}
        self._answers: dict[str, _Answer] = {}

    def can_generate_metrics(self) -> bool:
        return True

    @property
    def supports_processing_metrics(self) -> bool:
        return False  # audio comes while text is still going out

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Sends text; its audio comes by itself."""
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
        """The answer has all its text."""
        answer = self._answers.get(context_id or "")
        if answer is not None:
            answer.ended = True
            answer.speech.end()
            await self._close_if_over(context_id or "", answer)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        await self.stop_all_metrics()
        await self._hang_up(context_id)
        await super().on_audio_context_interrupted(context_id)

    async def stop(self, frame: EndFrame) -> None:
        await super().stop(frame)
        await self._hang_up(*self._answers)

    async def cancel(self, frame: CancelFrame) -> None:
        await super().cancel(frame)
        await self._hang_up(*self._answers)

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._hang_up(*self._answers)
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
        answer.listening = self.create_task(self._listen(context_id, answer))
        return answer

    async def _hang_up(self, *context_ids: str) -> None:
        for context_id in context_ids:
            answer = self._answers.pop(context_id, None)
            if answer is not None:
                await answer.call.aclose()
                if answer.listening is not None:
                    await self.cancel_task(answer.listening)

    async def _listen(self, context_id: str, answer: _Answer) -> None:
        told = 0
        try:
            async for chunk in answer.speech:
                await self._tell(context_id, chunk.words, answer.text)
                told += len(chunk.words)
                frame = TTSAudioRawFrame(chunk.audio, chunk.sample_rate, 1, context_id=context_id)
                await self.append_to_audio_context(context_id, frame)
            await self._tell(context_id, answer.speech.words[told:], answer.text)
        except errors.BarkClientError as error:
            if self._answers.get(context_id) is answer:
                await self._report(error)
        answer.listening = None
        await self._close_if_over(context_id, answer)

    async def _tell(self, context_id: str, words: Iterable[WordTime], text: SpokenText) -> None:
        for word in words:
            await self.add_word_timestamps(
                [(text.until(word).strip(), word.start_s)],
                context_id,
                includes_inter_frame_spaces=_UNSPACED.match(word.word) is not None,
            )

    async def _close_if_over(self, context_id: str, answer: _Answer) -> None:
        """Ends the audio context once no audio can come; an answer that failed waits for the end of
        its text, which is not spoken.
        """
        if answer.ended and answer.listening is None and context_id in self._answers:
            del self._answers[context_id]
            await answer.call.aclose()
            stopped = TTSStoppedFrame(context_id=context_id)
            await self.append_to_audio_context(context_id, stopped)
            await self.remove_audio_context(context_id)

    async def _report(self, error: errors.BarkClientError) -> None:
        await self.push_error(str(error), exception=error, category=_category(error))


def _category(error: errors.BarkClientError) -> ErrorCategory:
    """Pipecat gives a service no more work after INVALID_REQUEST; a text that cannot be spoken says
    nothing of the next one.
    """
    match error:
        case errors.InvalidRequest(violations=violations) if any(
            v.field == "text" for v in violations
        ):
            return ErrorCategory.APPLICATION
        case errors.InvalidRequest() | errors.VoiceNotFound() | errors.PreconditionFailed():
            return ErrorCategory.INVALID_REQUEST
        case errors.Overloaded():
            return ErrorCategory.RATE_LIMIT
        case errors.RetryableError():
            return ErrorCategory.CONNECTIVITY
        case errors.ServerError():
            return ErrorCategory.SERVER
        case _:
            return ErrorCategory.UNKNOWN
