"""Closed-loop clients: each requests an utterance, plays it to its end, and requests the next."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import barkclient
from barkclient.bench.playback import underrun_s
from barkclient.bench.stream import Arrival

TEXT = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class Utterance:
    """Measurements of one utterance.

    Attributes:
        at_s: time of the request.
        ttfa_s: seconds to its first audio.
        underrun_s: seconds of silence while playing.
        audio_s: duration of its audio.
        failure: why it failed; empty if it did not.
    """

    at_s: float
    ttfa_s: float
    underrun_s: float
    audio_s: float
    failure: str = ""


class ClientPool:
    """A variable number of clients; a removed client first plays its utterance to the end."""

    def __init__(self, address: str, clock: Callable[[], float]) -> None:
        self.utterances: list[Utterance] = []
        self.streams = 0
        self._address = address
        self._clock = clock
        self._wanted = 0
        self._clients: dict[int, asyncio.Task[None]] = {}

    def resize(self, count: int) -> None:
        """Set the number of clients."""
        self._wanted = count
        for number in range(count):
            if number not in self._clients or self._clients[number].done():
                self._clients[number] = asyncio.create_task(self._run(number))

    async def close(self) -> None:
        """Wait until all clients have played their utterances."""
        self.resize(0)
        await asyncio.gather(*self._clients.values())

    async def _run(self, number: int) -> None:
        async with barkclient.AsyncClient(self._address, timeout=90) as client:
            while number < self._wanted:
                await self._play(client)

    async def _play(self, client: barkclient.AsyncClient) -> None:
        started, at_s = time.monotonic(), self._clock()
        arrivals: list[Arrival] = []
        failure = ""
        self.streams += 1
        try:
            async for chunk in client.synthesize(TEXT, voice="none"):
                seconds = len(chunk.samples()) / chunk.sample_rate
                arrivals.append(Arrival(time.monotonic() - started, seconds))
        except barkclient.BarkClientError as error:
            failure = str(error)
        finally:
            self.streams -= 1
        ttfa_s = arrivals[0].at_s if arrivals else 0.0
        audio_s = sum(arrival.audio_s for arrival in arrivals)
        self.utterances.append(Utterance(at_s, ttfa_s, underrun_s(arrivals), audio_s, failure))
        playback_s = ttfa_s + underrun_s(arrivals) + audio_s
        await asyncio.sleep(max(0.1, started + playback_s - time.monotonic()))
