"""Calls that come at a fixed rate, whether the server keeps up or not."""

import asyncio
import random
import time
from collections import Counter

from barkclient.bench.stream import OK
from tools.chaos.cluster import Cluster
from tools.chaos.speaker import REFUSED, Speaker, utterances

_CALIBRATION_STREAMS = 4
_BACKLOG = 400  # calls that may be open at once on the side of the clients


async def measured_capacity(cluster: Cluster, seed: int, seconds: float) -> float:
    """Return the utterances per second that the services finish when some clients always speak."""
    drawn = utterances(random.Random(seed))
    speakers = [
        Speaker(cluster.target(number), drawn, number) for number in range(_CALIBRATION_STREAMS)
    ]
    began = time.monotonic()
    tasks = [asyncio.create_task(speaker.run()) for speaker in speakers]
    await asyncio.sleep(seconds)
    for speaker in speakers:
        speaker.finish(more=0)
    await asyncio.gather(*tasks)
    spoken = sum(stream.spoken for speaker in speakers for stream in speaker.streams)
    return spoken / (time.monotonic() - began)


class OpenLoad:
    """Begins calls at random times. A refused call is not repeated.

    Args:
        cluster: the services.
        seed: fixes the times and the utterances.
        per_second: mean number of calls per second.
    """

    def __init__(self, cluster: Cluster, seed: int, per_second: float) -> None:
        self._cluster = cluster
        self._draw = random.Random(seed)
        self._utterances = utterances(random.Random(seed))
        self._per_second = per_second
        self._calls: set[asyncio.Task[None]] = set()
        self.statuses: Counter[str] = Counter()
        self.messages: dict[str, str] = {}

    @property
    def accepted(self) -> int:
        """The number of streams that were spoken."""
        return self.statuses[OK]

    @property
    def refused(self) -> int:
        """The number of streams that were refused at once."""
        return self.statuses[REFUSED]

    @property
    def failed(self) -> dict[str, str]:
        """An example of each other outcome, by its name."""
        return self.messages

    @property
    def open(self) -> int:
        """The number of calls that run."""
        return len(self._calls)

    async def run(self) -> None:
        """Begin calls until cancelled."""
        number = 0
        try:
            while True:
                await asyncio.sleep(self._draw.expovariate(self._per_second))
                if len(self._calls) < _BACKLOG:
                    task = asyncio.create_task(self._call(number))
                    self._calls.add(task)
                    task.add_done_callback(self._calls.discard)
                number += 1
        finally:
            for task in self._calls:
                task.cancel()

    async def _call(self, number: int) -> None:
        speaker = Speaker(self._cluster.target(number), self._utterances, number)
        stream = await speaker.speak()
        await speaker.close()
        self.statuses[stream.status] += 1
        if stream.status not in (OK, REFUSED):
            self.messages.setdefault(stream.status, stream.message)
