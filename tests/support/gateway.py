"""Runs the gateway on a localhost port inside this process, built as on the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from barkserve.building.gateway import build
from barkserve.config import GatewayOptions
from barkserve.gateway.gateway import Gateway
from barkserve.gateway.server import make_server
from barkserve.serving.ports import listening_socket


@dataclass
class RunningGateway:
    """One running gateway."""

    url: str
    gateway: Gateway

    @property
    def websocket_url(self) -> str:
        """The address for WebSocket clients."""
        return self.url.replace("http://", "ws://")


@asynccontextmanager
async def running_gateway(orchestrator: str, **options: Any) -> AsyncIterator[RunningGateway]:
    """Run a gateway for the orchestrator at this address."""
    chosen = GatewayOptions(port=0, metrics_port=0, orchestrator=orchestrator, **options)
    with listening_socket(chosen.host, chosen.port) as bound:
        async with build(chosen) as gateway:
            server = make_server(chosen, gateway)
            serving = asyncio.create_task(server.serve([bound]))
            yield RunningGateway(f"http://127.0.0.1:{bound.getsockname()[1]}", gateway)
            server.should_exit = True
            await serving
