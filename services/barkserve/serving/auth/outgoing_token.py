"""The token that a service sends with its calls to another one."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from barkserve.errors import StartupError
from barkserve.regular_file import read_regular_file

_log = logging.getLogger(__name__)

_MAX_BYTES = 16_384


class OutgoingToken(grpc.aio.UnaryStreamClientInterceptor):
    """Adds a token to calls with one request and streamed responses, such as load reports.

    Args:
        path: the file of --token-file. It is read for each call: those calls last for long.

    Raises:
        StartupError: the file cannot be read, or has no token.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read()

    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> Any:
        """Make the call with the token. If the file cannot be read, the server refuses it."""
        metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()))
        try:
            metadata.add("authorization", f"Bearer {await asyncio.to_thread(self._read)}")
        except StartupError as error:
            _log.error("a call has no token: %s", error)
        details = grpc.aio.ClientCallDetails(
            client_call_details.method,
            client_call_details.timeout,
            metadata,
            client_call_details.credentials,
            client_call_details.wait_for_ready,
        )
        return await continuation(details, request)

    def _read(self) -> str:
        try:
            token = read_regular_file(self._path, _MAX_BYTES).decode("ascii").strip()
        except OSError as error:
            raise StartupError(
                f"--token-file: cannot read {self._path} ({error.strerror})"
            ) from error
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise StartupError(f"--token-file: {self._path} must have one line with a token")
        return token
