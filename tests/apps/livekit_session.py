"""A LiveKit session without a room, with real-time playback and a history."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.agents import Agent, AgentSession, tts
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities, TextOutput
from livekit.agents.voice.transcription import TranscriptSynchronizer


class SilentOutput(AudioOutput):
    """Discards audio in real time."""

    def __init__(self) -> None:
        super().__init__(
            label="silent", capabilities=AudioOutputCapabilities(pause=False), sample_rate=None
        )
        self.playing = asyncio.Event()
        self._began = 0.0
        self._seconds = 0.0
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._seconds:
            self._began = asyncio.get_running_loop().time()
            self.on_playback_started(created_at=self._began)
            self.playing.set()
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._seconds:
            loop = asyncio.get_running_loop()
            self._end = loop.call_at(self._began + self._seconds, self._finish, False)

    def clear_buffer(self) -> None:
        if self._seconds:
            self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        if self._end is not None:
            self._end.cancel()
        played = asyncio.get_running_loop().time() - self._began
        position, self._seconds, self._end = min(played, self._seconds), 0.0, None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class Captions(TextOutput):
    """Collects the captions."""

    def __init__(self) -> None:
        super().__init__(label="captions", next_in_chain=None)
        self.text = ""

    async def capture_text(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@asynccontextmanager
async def running_session(service: tts.TTS) -> AsyncIterator[tuple[AgentSession, SilentOutput]]:
    """Run a session, with captions by word times if the service has them."""
    output = SilentOutput()
    synchronized = TranscriptSynchronizer(next_in_chain_audio=output, next_in_chain_text=Captions())
    async with AgentSession(tts=service, use_tts_aligned_transcript=True) as session:
        session.output.audio = synchronized.audio_output
        session.output.transcription = synchronized.text_output
        await session.start(Agent(instructions="none"))
        yield session, output
    await synchronized.aclose()


def remembered(session: AgentSession) -> list[str]:
    """Return the spoken answers in the history of the language model."""
    return [item.text_content for item in session.history.items if item.type == "message"]
