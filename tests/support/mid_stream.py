"""Stopping a stage in the middle of a stream, and finding the replica that has the stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from barkserve.coarse.servicer import CoarseServicer
from barkserve.codec.servicer import CodecServicer
from barkserve.external import orca_pb2, orca_pb2_grpc
from barkserve.fine.servicer import FineServicer
from barkserve.semantic.servicer import SemanticServicer
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load
from fixtures.processes import ServiceProcess

METHODS = {
    "semantic": (SemanticServicer, "Generate"),
    "coarse": (CoarseServicer, "Generate"),
    "fine": (FineServicer, "Generate"),
    "codec": (CodecServicer, "Decode"),
}
MIDDLE = {"semantic": 100, "coarse": 150, "fine": 150, "codec": 48000}
"""Tokens, frames or samples (2 s): more follow, and enough for the first audio came before."""


def blocked(monkeypatch: pytest.MonkeyPatch, stage: str) -> asyncio.Event:
    """Block every call to a stage in its middle until the returned event is set.

    Without this, the call may end before the test stops the replica. The middle is a length of
    output: how much a response carries depends on the speed of the machine.
    """
    released = asyncio.Event()
    servicer, name = METHODS[stage]
    method = getattr(servicer, name)

    async def blocking(self: Any, requests: Any, context: Any) -> AsyncIterator[Any]:
        made = 0
        async with aclosing(method(self, requests, context)) as responses:
            async for response in responses:
                made += length(stage, response)
                if made >= MIDDLE[stage]:
                    await released.wait()
                yield response

    monkeypatch.setattr(servicer, name, blocking)
    return released


def length(stage: str, response: Any) -> int:
    """Tokens (semantic), frames (coarse, fine) or samples (codec) that a response carries."""
    match stage:
        case "semantic":
            return len(response.tokens.tokens)
        case "coarse":
            return len(response.frames.codes) // 2
        case "fine":
            return len(response.frames.codes) // 8
        case _:
            return len(response.samples.pcm) // 4


async def load_of(service: ServiceProcess) -> Load:
    """The load that a process reports now."""
    async with Dialer().open(service.address) as channel:
        stub = orca_pb2_grpc.OpenRcaServiceStub(channel)
        return Load.from_report(
            await stub.StreamCoreMetrics(orca_pb2.OrcaLoadReportRequest()).read()
        )
