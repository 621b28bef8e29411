"""A client of StreamingSynthesize that types and listens by turns."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from barkserve.v1 import speech_pb2
from tests.support.services import Chain

Response = speech_pb2.StreamingSynthesizeResponse
FLOATS = speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32)
NEVER_HURRY = 60_000


def config(max_delay_ms: int = NEVER_HURRY, **options: Any) -> speech_pb2.StreamingConfig:
    """A context whose text waits for its sentence, however slow the test is typed."""
    request = speech_pb2.SynthesizeRequest(**{"audio_format": FLOATS} | options)
    return speech_pb2.StreamingConfig(options=request, max_delay_ms=max_delay_ms)


@dataclass
class Dialog:
    """One call; everything that came is in `heard`."""

    call: Any
    heard: list[Response] = field(default_factory=list)

    async def say(self, id_: str = "", **part: Any) -> None:
        """One message to a context."""
        request = speech_pb2.StreamingSynthesizeRequest(context_id=id_, **part)
        await self.call.write(request)

    async def type(self, text: str, id_: str = "") -> None:
        """Text as a language model sends it: a few letters a message."""
        for start in range(0, len(text), 4):
            await self.say(id_, text=text[start : start + 4])

    async def until(self, kind: str, id_: str = "") -> Response:
        """Listen until such a message comes."""
        while True:
            response = await self.call.read()
            assert isinstance(response, Response), f"the call ended before {kind}: {self.kinds()}"
            self.heard.append(response)
            if response.context_id == id_ and response.WhichOneof("response") == kind:
                return response

    async def rest(self) -> None:
        """Half-close and listen to the end."""
        await self.call.done_writing()
        while isinstance(response := await self.call.read(), Response):
            self.heard.append(response)

    def kinds(self, id_: str = "") -> list[str]:
        """What came for a context, in order, runs of audio counted once."""
        kinds = [r.WhichOneof("response") for r in self.heard if r.context_id == id_]
        runs = [(kind, len(list(run))) for kind, run in groupby(kinds)]
        return [kind for kind, count in runs for _ in range(1 if kind == "audio" else count)]

    def audio(self, id_: str = "") -> bytes:
        """All audio of a context."""
        return b"".join(r.audio.audio for r in self.heard if r.context_id == id_)

    def last(self, id_: str = "") -> Any:
        """The last message of a context."""
        response = [r for r in self.heard if r.context_id == id_][-1]
        return getattr(response, response.WhichOneof("response"))


@asynccontextmanager
async def dialog(chain: Chain) -> AsyncIterator[Dialog]:
    """A call that is cancelled if the test leaves it open."""
    call = chain.speech.StreamingSynthesize()
    try:
        yield Dialog(call)
    finally:
        call.cancel()


async def spoken(chain: Chain, text: str, **options: Any) -> tuple[bytes, Any]:
    """What Synthesize makes of a text: its audio, and what it said in the end."""
    request = speech_pb2.SynthesizeRequest(text=text, **{"audio_format": FLOATS} | options)
    responses = [response async for response in chain.speech.Synthesize(request)]
    return audio_of(responses), responses[-1].finished


def audio_of(responses: Iterable[Any]) -> bytes:
    """All audio."""
    return b"".join(response.audio.audio for response in responses)
