"""Runs the gateway on a localhost port inside this process, built as on the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from barkserve.building.gateway import build
from barkserve.config.gateway import GatewayOptions
from barkserve.gateway.gateway import Gateway
from barkserve.gateway.server import make_server
from barkserve.gateway.wyoming.server import serving_wyoming
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import listening_socket


@dataclass
class RunningGateway:
    """One running gateway."""

    url: str
    gateway: Gateway
    wyoming_url: str

    @property
    def websocket_url(self) -> str:
        """The address for WebSocket clients."""
        return self.url.replace("http://", "ws://")


@asynccontextmanager
async def running_gateway(orchestrator: str, **options: Any) -> AsyncIterator[RunningGateway]:
    """Run a gateway for the orchestrator at this address."""
    chosen = GatewayOptions(port=0, metrics_port=0, orchestrator=orchestrator, **options)
    with listening_socket(chosen.host, chosen.port) as bound:
        async with build(chosen, Metrics("gateway")) as gateway:
            server = make_server(chosen, gateway)
            serving = asyncio.create_task(server.serve([bound]))
            scheme = "https" if chosen.tls_cert else "http"
            with listening_socket(chosen.wyoming_host, 0) as wyoming:
                async with serving_wyoming(wyoming, gateway.backend, gateway.drain):
                    yield RunningGateway(
                        f"{scheme}://127.0.0.1:{bound.getsockname()[1]}",
                        gateway,
                        f"tcp://127.0.0.1:{wyoming.getsockname()[1]}",
                    )
            server.should_exit = True
            await serving
