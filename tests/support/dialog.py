"""A test client of StreamingSynthesize that sends and receives step by step."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from barkserve.v1 import speech_pb2
from tests.support.services import Chain

Response = speech_pb2.StreamingSynthesizeResponse
FLOATS = speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32)
MAX_DELAY_MS = 60_000


def config(max_delay_ms: int = MAX_DELAY_MS, **options: Any) -> speech_pb2.StreamingConfig:
    """A context whose text always waits for the end of its sentence, however slow the test is."""
    request = speech_pb2.SynthesizeRequest(**{"audio_format": FLOATS} | options)
    return speech_pb2.StreamingConfig(options=request, max_delay_ms=max_delay_ms)


@dataclass
class Dialog:
    """One call; all responses so far are in `received`."""

    call: Any
    received: list[Response] = field(default_factory=list)

    async def send(self, id_: str = "", **part: Any) -> None:
        """Send one request to a context."""
        request = speech_pb2.StreamingSynthesizeRequest(context_id=id_, **part)
        await self.call.write(request)

    async def send_text(self, text: str, id_: str = "") -> None:
        """Send text as a language model does: a few letters per request."""
        for start in range(0, len(text), 4):
            await self.send(id_, text=text[start : start + 4])

    async def until(self, kind: str, id_: str = "") -> Response:
        """Receive until a message of this kind for this context."""
        while True:
            response = await self.call.read()
            assert isinstance(response, Response), f"the call ended before {kind}: {self.kinds()}"
            self.received.append(response)
            if response.context_id == id_ and response.WhichOneof("response") == kind:
                return response

    async def rest(self) -> None:
        """Half-close and receive until the end."""
        await self.call.done_writing()
        while isinstance(response := await self.call.read(), Response):
            self.received.append(response)

    def kinds(self, id_: str = "") -> list[str]:
        """The kinds of a context's messages in order; consecutive audio counts once."""
        kinds = [r.WhichOneof("response") for r in self.received if r.context_id == id_]
        runs = [(kind, len(list(run))) for kind, run in groupby(kinds)]
        return [kind for kind, count in runs for _ in range(1 if kind == "audio" else count)]

    def audio(self, id_: str = "") -> bytes:
        """The audio of a context."""
        return b"".join(r.audio.audio for r in self.received if r.context_id == id_)

    def last(self, id_: str = "") -> Any:
        """The last message of a context."""
        response = [r for r in self.received if r.context_id == id_][-1]
        return getattr(response, response.WhichOneof("response"))


@asynccontextmanager
async def dialog(chain: Chain) -> AsyncIterator[Dialog]:
    """Open a call; cancel it if it is still open at the end."""
    call = chain.speech.StreamingSynthesize()
    try:
        yield Dialog(call)
    finally:
        call.cancel()


async def spoken(chain: Chain, text: str, **options: Any) -> tuple[bytes, Any]:
    """Speak a text with Synthesize; returns its audio and its `finished` message."""
    request = speech_pb2.SynthesizeRequest(text=text, **{"audio_format": FLOATS} | options)
    responses = [response async for response in chain.speech.Synthesize(request)]
    return audio_of(responses), responses[-1].finished


def audio_of(responses: Iterable[Any]) -> bytes:
    """The audio of all responses."""
    return b"".join(response.audio.audio for response in responses)
