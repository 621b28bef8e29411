"""The status of asynchronous calls that the server ends while the client is sending.

If a message cannot be sent because the server has ended the call, grpc.aio (seen in 1.71 to 1.85)
reports INTERNAL with the text "Internal error from Core". The server's own status arrives a moment
later and is ignored. A refused caller would then see a broken connection instead of a missing
token.
"""

from collections.abc import Callable
from typing import Any

import grpc


class _PatientCall:
    """grpc.aio's core call, except that a failed send waits for the server's status.

    Args:
        core: the private core of a `grpc.aio.Call`.
    """

    def __init__(self, core: Any) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    async def send_serialized_message(self, message: bytes) -> None:
        """Send a message, or wait until the call has its status."""
        try:
            await self._core.send_serialized_message(message)
        except grpc.aio.InternalError:
            await self._core.status()


def keep_server_status(method: Callable[..., Any]) -> Any:
    """Return a method of a stub whose calls report the status that the server sent.

    Args:
        method: a method with streamed requests and responses. Calls through interceptors keep
            grpc's behavior.
    """

    def start(*arguments: Any, **keywords: Any) -> Any:
        call = method(*arguments, **keywords)  # it sends when the event loop runs again
        if (core := getattr(call, "_cython_call", None)) is not None:
            call._cython_call = _PatientCall(core)
        return call

    return start
