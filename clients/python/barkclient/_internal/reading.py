"""Reads the next response of a call, and notices a server that has fallen silent."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import TypeVar

from barkclient._internal.reconnection import Reconnection, ServerSilent
from barkclient._internal.response_stream import ResponseStream
from barkclient.errors import Cancelled, map_errors
from barkserve.v1 import speech_pb2

AnyResponse = speech_pb2.SynthesizeResponse | speech_pb2.StreamingSynthesizeResponse
Response = TypeVar("Response", bound=AnyResponse)


async def next_async_response(
    responses: AsyncIterator[Response], reconnection: Reconnection, target: str
) -> Response | None:
    """Read the next response; None at the end.

    Raises:
        ServerSilent: nothing came for longer than the server promised.
        BarkClientError: the call failed.
    """
    limit_s = reconnection.silence_s
    try:
        async with asyncio.timeout(limit_s):
            with map_errors(target):
                response = await anext(responses, None)
    except TimeoutError:
        raise _silent(target, limit_s) from None
    return _counted(response, reconnection)


def next_response(
    call: ResponseStream[Response], reconnection: Reconnection, target: str
) -> Response | None:
    """Read the next response of a blocking call; see next_async_response."""
    limit_s = reconnection.silence_s
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        call.cancel()

    timer = None if limit_s is None else threading.Timer(limit_s, expire)
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with map_errors(target):
            response = next(call, None)
    except Cancelled:
        if expired.is_set():
            raise _silent(target, limit_s) from None
        raise
    finally:
        if timer is not None:
            timer.cancel()
    return _counted(response, reconnection)


def _counted(response: Response | None, reconnection: Reconnection) -> Response | None:
    if response is not None:
        kind, heartbeat_ms = response.WhichOneof("response"), 0
        if response.HasField("started"):
            heartbeat_ms = response.started.heartbeat_ms
        reconnection.arrived(kind, heartbeat_ms)
    return response


def _silent(target: str, limit_s: float | None) -> ServerSilent:
    return ServerSilent(
        f"{target} sent neither audio nor a heartbeat for {limit_s:g} s: check that it runs"
    )
