"""Runs services on localhost ports inside this process, built as on the command line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc

from barkserve.constants import STAGES
from barkserve.services import service_named
from barkserve.serving.auth.access_control import AccessControl, open_access_control
from barkserve.serving.channel import Dialer
from barkserve.serving.grpc_options import SERVER_OPTIONS
from barkserve.serving.interceptors import RpcInterceptor
from barkserve.serving.load import ReadLoad
from barkserve.serving.metrics import Metrics
from barkserve.serving.ports import bind
from barkserve.serving.publishing import publish
from barkserve.serving.service import Service
from barkserve.serving.tls import TlsFiles
from barkserve.v1 import speech_pb2_grpc


@dataclass
class RunningService:
    """One running service."""

    address: str
    channel: grpc.aio.Channel
    metrics: Metrics
    server: grpc.aio.Server
    load: ReadLoad

    def metric(self, name: str, **labels: str) -> float:
        """The current value of one of its metrics, 0 if it was never set."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running(service: str, checkpoint: Path, **options: Any) -> AsyncIterator[RunningService]:
    """Run one service with these options on a free port.

    An orchestrator accepts streams by their number, and the fine stage fills with float32 weights,
    unless the options say otherwise. This machine must not decide what a test sees.
    """
    entry = service_named(service)
    build = import_module(entry.builder).build
    if service == "orchestrator":
        options = {"admission": "count"} | options
    if service == "fine":
        options = {"streaming_dtype": "same"} | options
    own = {"checkpoint": str(checkpoint)} if entry.reads_checkpoint else {}
    chosen: Any = entry.options(port=0, metrics_port=0, **own | options)
    tls = TlsFiles.from_options(chosen)
    access = open_access_control(chosen)
    intercept = partial(
        RpcInterceptor,
        access=access,
        output_idle_s=chosen.output_idle_seconds,
        max_request_bytes=chosen.max_request_bytes,
    )
    make = partial(build, chosen)
    async with access.following(), running_built(service, make, tls, intercept) as started:
        yield started


@asynccontextmanager
async def running_built(
    name: str,
    build: Callable[[Metrics], Service],
    tls: TlsFiles | None = None,
    intercept: Callable[[Metrics], RpcInterceptor] | None = None,
) -> AsyncIterator[RunningService]:
    """Run one service from its parts, such as fakes, on a free port."""
    metrics = Metrics(name)
    intercept = intercept or partial(RpcInterceptor, access=AccessControl())
    server = grpc.aio.server(interceptors=[intercept(metrics)], options=SERVER_OPTIONS)
    credentials = None if tls is None else tls.server_credentials(tls.mutual)
    port = bind(server, "127.0.0.1", 0, credentials)
    service = build(metrics)
    await service.start()
    published = await publish(server, service)
    readiness = asyncio.create_task(published.follow_readiness())
    await server.start()
    address = f"127.0.0.1:{port}"
    async with Dialer(tls).open(address) as channel:
        try:
            yield RunningService(address, channel, metrics, server, service.load)
        finally:
            readiness.cancel()
            await server.stop(grace=None)
            await service.stop()


@dataclass
class Chain:
    """All five services."""

    services: dict[str, RunningService]

    @property
    def address(self) -> str:
        """The address of the orchestrator."""
        return self.services["orchestrator"].address

    @property
    def speech(self) -> speech_pb2_grpc.SpeechServiceStub:
        """A stub for the orchestrator."""
        return speech_pb2_grpc.SpeechServiceStub(self.services["orchestrator"].channel)


@asynccontextmanager
async def running_chain(checkpoint: Path, **options: Any) -> AsyncIterator[Chain]:
    """Run all five; each gets the options that it has."""
    async with AsyncExitStack() as stack:
        services: dict[str, RunningService] = {}
        for name in (*STAGES, "orchestrator"):
            known = service_named(name).option_names
            own = {key: value for key, value in options.items() if key in known}
            if name == "orchestrator":
                own |= {stage: services[stage].address for stage in STAGES}
            services[name] = await stack.enter_async_context(running(name, checkpoint, **own))
        yield Chain(services)
