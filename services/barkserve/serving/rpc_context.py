"""What gRPC hands to a servicer beside the request."""

import asyncio
from typing import Any

import grpc

RpcContext = grpc.aio.ServicerContext[Any, Any]


def deadline(context: RpcContext) -> float | None:
    """The event loop's time at which the client gives up, None for never."""
    left = context.time_remaining()
    return None if left is None else asyncio.get_running_loop().time() + left
