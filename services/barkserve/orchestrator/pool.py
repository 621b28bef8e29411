"""The replicas of one stage: a channel each, and whose turn it is. Knows no stage's messages."""

import itertools
from collections.abc import Iterator

import grpc

from barkserve.constants import StageName
from barkserve.errors import StartupError
from barkserve.serving.channel import open_channel


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
        self._turns: Iterator[grpc.aio.Channel] = itertools.cycle(self._channels)

    def pick(self) -> grpc.aio.Channel:
        """The replica for the next stream."""
        return next(self._turns)

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels:
            await channel.close(grace=None)
