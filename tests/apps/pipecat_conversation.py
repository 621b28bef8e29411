"""A Pipecat pipeline around one text-to-speech service, with a listener who hears at the speed of
sound and a memory of what was said. Knows no service.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner


class Ear(FrameProcessor):
    """Notes what a service sends, and when it has been played."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking = False
        self.audio: list[TTSAudioRawFrame] = []
        self.stopped = 0
        self._news = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio.append(frame)
            self.speaking = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self.speaking = False
        self.stopped += isinstance(frame, TTSStoppedFrame)
        self._news.set()
        await self.push_frame(frame, direction)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for what a service sends."""
        async with asyncio.timeout(60):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def seconds(self) -> float:
        return sum(len(frame.audio) / 2 / frame.sample_rate for frame in self.audio)


class Loudspeaker(BaseOutputTransport):
    """Plays to nobody, and takes the time that it takes."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True))

    async def start(self, frame: Frame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await asyncio.sleep(frame.num_frames / frame.sample_rate)
        return True


@dataclass
class Conversation:
    """What is said and heard."""

    worker: PipelineWorker
    ear: Ear
    context: LLMContext
    errors: list[ErrorFrame] = field(default_factory=list)

    async def begin(self) -> None:
        await self.worker.queue_frame(LLMFullResponseStartFrame())

    async def write(self, text: str) -> None:
        await self.worker.queue_frame(LLMTextFrame(text))

    async def end(self) -> None:
        await self.worker.queue_frame(LLMFullResponseEndFrame())

    async def interrupt(self) -> None:
        await self.worker.queue_frame(InterruptionFrame())

    async def answer(self, *tokens: str) -> None:
        """A whole answer of a language model; returns when it has been heard."""
        turns = self.ear.stopped
        await self.begin()
        for token in tokens:
            await self.write(token)
        await self.end()
        await self.ear.until(lambda: self.ear.stopped > turns and not self.ear.speaking)

    async def remembered(self, count: int) -> list[str]:
        """The first `count` answers, as the language model will be told of them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                while len(self.context.messages) < count:  # noqa: ASYNC110 - Pipecat adds them
                    await asyncio.sleep(0.02)
        return [str(message["content"]) for message in self.context.messages]


@asynccontextmanager
async def conversing(service: TTSService, sample_rate: int = 24_000) -> AsyncIterator[Conversation]:
    """A pipeline that runs; its end is awaited."""
    ear, context = Ear(), LLMContext()
    memory = LLMContextAggregatorPair(context).assistant()
    worker = PipelineWorker(
        Pipeline([service, ear, Loudspeaker(), memory]),
        params=PipelineParams(audio_out_sample_rate=sample_rate),
        cancel_on_idle_timeout=False,
    )
    conversation = Conversation(worker, ear, context)

    @service.event_handler("on_error")
    async def _(_: TTSService, error: ErrorFrame) -> None:
        conversation.errors.append(error)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        yield conversation
    finally:
        await worker.queue_frame(EndFrame())
        async with asyncio.timeout(60):
            await running
