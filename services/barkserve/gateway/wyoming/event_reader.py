"""Reads Wyoming events, with limits: the wyoming package's own reader has none."""

import asyncio
import json
from typing import Any

from wyoming.event import Event

from barkserve.gateway.errors import HttpFailure

LINE_BYTES = 64 * 1024
"""Size of the first line of an event; the limit of the StreamReader too."""

_DATA_BYTES = 1024 * 1024
_PAYLOAD_BYTES = 64 * 1024  # audio, which only other services receive
_REST_S = 30.0


class EventReader:
    """Reads the events of one connection.

    An event is a line of JSON, then `data_length` bytes of JSON, then `payload_length` bytes.

    Args:
        reader: the connection, with a limit of LINE_BYTES.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self, idle_s: float) -> Event | None:
        """Read one event.

        Args:
            idle_s: time that the event has to begin.

        Returns:
            The event; None if the peer has closed the connection.

        Raises:
            TimeoutError: no event began in time. The next call misses nothing.
            HttpFailure: what arrived is not an event, is too large, or did not arrive in time.
        """
        async with asyncio.timeout(idle_s):
            line = await self._line()
        if not line:
            return None
        header = _parsed(line)
        try:
            async with asyncio.timeout(_REST_S):
                return await self._event(header)
        except asyncio.IncompleteReadError:
            return None
        except TimeoutError:
            raise _malformed(f"an event did not arrive within {_REST_S:g} s") from None

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return b""
        except asyncio.LimitOverrunError:
            message = f"the first line of an event has more than {LINE_BYTES} bytes"
            raise _too_large(message) from None

    async def _event(self, header: dict[str, Any]) -> Event:
        data = header.get("data") or {}
        if not isinstance(header.get("type"), str) or not isinstance(data, dict):
            raise _malformed('an event needs "type", a string, and its "data" is an object')
        if length := _length(header, "data_length", _DATA_BYTES):
            data |= _parsed(await self._reader.readexactly(length))
        if length := _length(header, "payload_length", _PAYLOAD_BYTES):
            await self._reader.readexactly(length)
        return Event(header["type"], data)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _malformed("an event is not a JSON object: this port speaks the Wyoming protocol")
    return content


def _length(header: dict[str, Any], name: str, limit: int) -> int:
    length = header.get(name) or 0
    if type(length) is not int or length < 0:
        raise _malformed(f"{name} of an event is not a number of bytes")
    if length > limit:
        raise _too_large(f"{name} of an event is {length}; the limit is {limit}: send less")
    return length


def _malformed(message: str) -> HttpFailure:
    return HttpFailure(400, "invalid_event", message)


def _too_large(message: str) -> HttpFailure:
    return HttpFailure(413, "request_too_large", message)
