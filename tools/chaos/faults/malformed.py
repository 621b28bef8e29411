"""Faults of messages: bytes that cannot be parsed, broken voices, huge texts."""

import asyncio
import io
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import grpc
import numpy as np

from barkserve.constants import STAGES
from barkserve.v1 import coarse_pb2, codec_pb2, fine_pb2, semantic_pb2, speech_pb2, status_pb2
from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.scene import Scene

_MESSAGES = 20  # of each method
_TIMEOUT_S = 60.0
_MEBIBYTE = 1 << 20
_CONTRACTS = {
    ORCHESTRATOR: (speech_pb2, status_pb2),
    "semantic": (semantic_pb2,),
    "coarse": (coarse_pb2,),
    "fine": (fine_pb2,),
    "codec": (codec_pb2,),
}
_UNTYPED = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)


@asynccontextmanager
async def malformed(scene: Scene) -> AsyncIterator[None]:
    """Send every RPC bytes that mean nothing, and the orchestrator broken voices and texts."""
    codes: Counter[grpc.StatusCode] = Counter()
    for service in (ORCHESTRATOR, *STAGES):
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1)]
        address = scene.cluster.replicas[service][0].address
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            for method, message in _messages(service, scene.draw):
                code = await _send(channel, method, message)
                codes[code] += 1
                scene.expect(code not in _UNTYPED, f"{method} answered {code.name}")
    scene.expect(codes[grpc.StatusCode.INVALID_ARGUMENT] > 0, "no message was refused")
    scene.notes.append(", ".join(f"{count} {code.name}" for code, count in codes.most_common()))
    yield


def _messages(service: str, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    for contract in _CONTRACTS[service]:
        for description in contract.DESCRIPTOR.services_by_name.values():
            for method in description.methods:
                path = f"/{description.full_name}/{method.name}"
                for _ in range(_MESSAGES):
                    yield path, draw.randbytes(draw.choice((1, 10, 100, 10_000))) + b"\xff"
    if service == ORCHESTRATOR:
        yield from _requests(draw)


def _requests(draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Well-formed messages with broken or huge contents."""
    path = "/barkserve.v1.SpeechService/Synthesize"
    for npz in (draw.randbytes(1000), b"PK\x03\x04" + draw.randbytes(1000), _zip_bomb()):
        request = speech_pb2.SynthesizeRequest(text="hello")
        request.voice.npz = npz
        yield path, request.SerializeToString()
    for length in (1_000_001, 3 * _MEBIBYTE, 8 * _MEBIBYTE):
        yield path, speech_pb2.SynthesizeRequest(text="a" * length).SerializeToString()


def _zip_bomb() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, semantic_prompt=np.zeros(100 * _MEBIBYTE, np.uint8))
    return file.getvalue()


async def _send(channel: grpc.aio.Channel, method: str, message: bytes) -> grpc.StatusCode:
    rpc: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
    call = rpc(timeout=_TIMEOUT_S)
    try:
        await call.write(message)
        await call.done_writing()
        async for _ in call:
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass
    return await call.code()
