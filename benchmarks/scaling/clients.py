"""People who listen: each asks for an utterance, hears it to its end, and asks for the next."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import barkclient
from barkclient.bench.playback import underrun_s
from barkclient.bench.stream import Arrival

TEXT = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class Heard:
    """One utterance.

    Attributes:
        at_s: when it was asked for.
        ttfa_s: seconds to its first audio.
        underrun_s: silence in it.
        audio_s: how long it plays.
        failure: why it broke off, empty if it did not.
    """

    at_s: float
    ttfa_s: float
    underrun_s: float
    audio_s: float
    failure: str = ""


class Audience:
    """As many listeners as there are wanted at any time; who leaves hears his utterance out."""

    def __init__(self, address: str, clock: Callable[[], float]) -> None:
        self.heard: list[Heard] = []
        self.speaking = 0
        self._address = address
        self._clock = clock
        self._wanted = 0
        self._listeners: dict[int, asyncio.Task[None]] = {}

    def want(self, count: int) -> None:
        """Set how many listen."""
        self._wanted = count
        for number in range(count):
            if number not in self._listeners or self._listeners[number].done():
                self._listeners[number] = asyncio.create_task(self._listen(number))

    async def leave(self) -> None:
        """Everybody hears his utterance out."""
        self.want(0)
        await asyncio.gather(*self._listeners.values())

    async def _listen(self, number: int) -> None:
        async with barkclient.AsyncClient(self._address, timeout=90) as client:
            while number < self._wanted:
                await self._hear(client)

    async def _hear(self, client: barkclient.AsyncClient) -> None:
        begun, at_s = time.monotonic(), self._clock()
        arrivals: list[Arrival] = []
        failure = ""
        self.speaking += 1
        try:
            async for chunk in client.synthesize(TEXT, voice="none"):
                seconds = len(chunk.samples()) / chunk.sample_rate
                arrivals.append(Arrival(time.monotonic() - begun, seconds))
        except barkclient.BarkClientError as error:
            failure = str(error)
        finally:
            self.speaking -= 1
        ttfa_s = arrivals[0].at_s if arrivals else 0.0
        audio_s = sum(arrival.audio_s for arrival in arrivals)
        self.heard.append(Heard(at_s, ttfa_s, underrun_s(arrivals), audio_s, failure))
        ends = ttfa_s + underrun_s(arrivals) + audio_s
        await asyncio.sleep(max(0.1, begun + ends - time.monotonic()))
