"""The context that gRPC passes to every servicer method."""

import asyncio
from typing import TypeAlias

import grpc

RpcContext: TypeAlias = grpc.aio.ServicerContext[object, object]
"""Servicers return their messages. Only the interceptor writes through the context."""


def deadline(context: RpcContext) -> float | None:
    """The client's deadline in the event loop's time, None if it set none."""
    # None without a deadline, although the type says float.
    remaining_s: float | None = context.time_remaining()
    return None if remaining_s is None else asyncio.get_running_loop().time() + remaining_s
