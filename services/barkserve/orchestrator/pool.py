"""The replicas of one stage: a channel each, whose turn it is, and which to avoid. Knows no
messages."""

import itertools
import time

import grpc

from barkserve.constants import StageName
from barkserve.errors import StartupError
from barkserve.serving.channel import open_channel

AVOID_S = 5.0
"""How long a replica that failed is not picked while there are others."""


class StagePool:
    """Channels to a stage's replicas, taken in turn.

    Args:
        stage: which stage.
        addresses: "host:port", several separated by commas.
    """

    def __init__(self, stage: StageName, addresses: str) -> None:
        self.stage = stage
        self.addresses = tuple(part.strip() for part in addresses.split(",") if part.strip())
        if not self.addresses or not all(":" in address for address in self.addresses):
            raise StartupError(f"--{stage}: {addresses!r} is not HOST:PORT or a list of them")
        self._channels = [open_channel(address) for address in self.addresses]
        self._turns = itertools.cycle(self._channels)
        self._avoided_until = dict.fromkeys(self._channels, 0.0)

    def pick(self) -> grpc.aio.Channel:
        """The replica for the next stream: the next in turn that is not avoided, if there is
        one."""
        now = time.monotonic()
        turns = [next(self._turns) for _ in self._channels]
        chosen = next((each for each in turns if self._avoided_until[each] <= now), turns[0])
        while next(self._turns) is not chosen:  # go on behind the chosen one
            pass
        return chosen

    def avoid(self, channel: grpc.aio.Channel) -> None:
        """Prefer other replicas for a while: this one broke off or could not be reached."""
        self._avoided_until[channel] = time.monotonic() + AVOID_S

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels:
            await channel.close(grace=None)
