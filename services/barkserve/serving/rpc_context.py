"""The context that gRPC passes to every servicer method."""

import asyncio
from typing import TypeAlias

import grpc

RpcContext: TypeAlias = grpc.aio.ServicerContext[object, object]
"""Servicers return their messages. Only the interceptor writes through the context."""


_REQUEST_ID_KEY = "x-request-id"
MAX_REQUEST_ID_CHARACTERS = 128


def request_id(context: RpcContext) -> str:
    """The id that the client gave the RPC in its metadata `x-request-id`; empty without one."""
    values = (value for key, value in context.invocation_metadata() or () if key == _REQUEST_ID_KEY)
    return str(next(values, ""))[:MAX_REQUEST_ID_CHARACTERS]


def deadline(context: RpcContext) -> float | None:
    """The client's deadline in the event loop's time, None if it set none."""
    # None without a deadline, although the type says float.
    remaining_s: float | None = context.time_remaining()
    return None if remaining_s is None else asyncio.get_running_loop().time() + remaining_s
