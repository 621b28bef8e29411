"""A Pipecat pipeline around a text-to-speech service, with real-time playback and a context."""

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

PATIENT = {"stop_frame_timeout_s": 60.0}
"""Options of a service. The default drops audio that a busy machine sends after 3 s."""


class Recorder(FrameProcessor):
    """Records the audio of a service and when it has been played."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking = False
        self.audio: list[TTSAudioRawFrame] = []
        self.stopped = 0
        self._changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio.append(frame)
            self.speaking = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self.speaking = False
        self.stopped += isinstance(frame, TTSStoppedFrame)
        self._changed.set()
        await self.push_frame(frame, direction)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def seconds(self) -> float:
        return sum(len(frame.audio) / 2 / frame.sample_rate for frame in self.audio)


class SilentOutput(BaseOutputTransport):
    """Discards audio in real time."""

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
    """A running pipeline."""

    worker: PipelineWorker
    recorder: Recorder
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
        """Send a whole answer of a language model and wait until it has been played."""
        turns = self.recorder.stopped
        await self.begin()
        for token in tokens:
            await self.write(token)
        await self.end()
        await self.recorder.until(
            lambda: self.recorder.stopped > turns and not self.recorder.speaking
        )

    async def remembered(self, count: int) -> list[str]:
        """Return the first `count` answers in the context of the language model."""
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                while len(self.context.messages) < count:  # noqa: ASYNC110 - Pipecat adds them
                    await asyncio.sleep(0.02)
        return [str(message["content"]) for message in self.context.messages]


@asynccontextmanager
async def running_conversation(
    service: TTSService, sample_rate: int = 24_000
) -> AsyncIterator[Conversation]:
    """Run a pipeline and wait for its end."""
    recorder, context = Recorder(), LLMContext()
    aggregator = LLMContextAggregatorPair(context).assistant()
    worker = PipelineWorker(
        Pipeline([service, recorder, SilentOutput(), aggregator]),
        params=PipelineParams(audio_out_sample_rate=sample_rate),
        cancel_on_idle_timeout=False,
    )
    conversation = Conversation(worker, recorder, context)

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
