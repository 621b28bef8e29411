"""What LiveKit's classes for text-to-speech return."""

from dataclasses import dataclass, field

from livekit.agents import APIConnectOptions, tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT, TimedString

ONCE = APIConnectOptions(max_retry=0, timeout=60)  # a busy machine is slow


@dataclass
class Spoken:
    """The audio and the timed words of one synthesis."""

    pcm: bytes = b""
    seconds: float = 0.0
    words: list[TimedString] = field(default_factory=list)


async def collected(stream: tts.SynthesizeStream | tts.ChunkedStream) -> Spoken:
    """Read a synthesis to its end."""
    spoken = Spoken()
    async with stream:
        async for event in stream:
            spoken.pcm += bytes(event.frame.data)
            spoken.seconds += event.frame.duration
            spoken.words += event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
    return spoken


def synthesis(service: tts.TTS, *tokens: str) -> tts.SynthesizeStream:
    """Begin a synthesis of a text in pieces."""
    stream = service.stream(conn_options=ONCE)
    for token in tokens:
        stream.push_text(token)
    stream.end_input()
    return stream
