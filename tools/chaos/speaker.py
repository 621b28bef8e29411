"""A client that speaks one utterance after another."""

import asyncio
import random
import time
from dataclasses import dataclass

from barkclient import AsyncClient, BarkClientError, Overloaded
from barkclient.bench.stream import OK, Arrival
from tools.chaos.stream import Stream

REFUSED = "REFUSED"
_TEXTS = (
    "The ferry leaves at nine, and the last bus meets it.",
    "She counted the boats twice before she believed it.",
    "Rain is likely in the north, with sun by the evening.",
    "Please keep the blue folder until the meeting is over.",
)
_TIMEOUT_S = 240.0
_LONGEST_RETRY_S = 5.0


@dataclass(frozen=True)
class Utterance:
    """A text and the seed that fixes its waveform."""

    text: str
    seed: int


def utterances(draw: random.Random) -> list[Utterance]:
    """Draw the utterances of a run."""
    return [Utterance(text, draw.randrange(1 << 31)) for text in _TEXTS]


class Speaker:
    """Speaks until it is told to finish.

    Args:
        target: the server.
        utterances: what to say, in turn.
        first: index of the first utterance.
    """

    def __init__(self, target: str, utterances: list[Utterance], first: int = 0) -> None:
        self._client = AsyncClient(target, timeout=_TIMEOUT_S)
        self._utterances = utterances
        self._next = first
        self._left: int | None = None
        self._retries = True
        self.audible = asyncio.Event()
        self.streams: list[Stream] = []

    def finish(self, more: int) -> None:
        """End after the stream that is spoken now and some more. Refused streams do not count."""
        self._left = 1 + more

    async def run(self) -> None:
        """Speak one stream after another."""
        async with self._client:
            while self._left is None or self._left > 0:
                stream = await self.speak()
                if self._left is not None and (stream.status != REFUSED or not self._retries):
                    self._left -= 1

    def finish_accepted(self) -> None:
        """End after the stream that is spoken now, or at the next refusal."""
        self._left, self._retries = 1, False

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def speak(self) -> Stream:
        """Speak the next utterance. The outcome is the status of the stream."""
        index = self._next % len(self._utterances)
        self._next += 1
        stream = Stream(index, time.monotonic())
        self.streams.append(stream)
        utterance = self._utterances[index]
        try:
            async for chunk in self._client.synthesize(utterance.text, seed=utterance.seed):
                duration_s = chunk.sample_count / chunk.sample_rate
                stream.arrivals.append(Arrival(time.monotonic(), duration_s))
                stream.audio += chunk.audio
                self.audible.set()
            stream.status = OK
        except Overloaded as error:
            stream.status, stream.message = REFUSED, str(error)
            await asyncio.sleep(min(error.retry_after_s or 1.0, _LONGEST_RETRY_S))
        except BarkClientError as error:
            stream.status, stream.message = type(error).__name__, str(error)
            await asyncio.sleep(0.2)
        return stream
