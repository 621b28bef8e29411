"""The ids of the request that code runs for: log lines show them, and calls to stages carry them.

The request id is the client's or a new one. The trace id is that of its OpenTelemetry trace.
"""

import string
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import quote

MAX_CHARACTERS = 128
"""Length of the ids that clients may choose."""
METADATA_KEY = "x-request-id"
"""The key of the id in the metadata of an RPC."""

_VISIBLE = string.ascii_letters + string.digits + string.punctuation.replace('"', "")


@dataclass(frozen=True)
class RequestIds:
    """The ids of a request; of several, joined by commas.

    Attributes:
        request_id: empty outside of requests.
        trace_id: 32 hexadecimal digits; empty without a trace.
    """

    request_id: str = ""
    trace_id: str = ""


_NONE = RequestIds()
_current: ContextVar[RequestIds] = ContextVar("request_ids")


def current_ids() -> RequestIds:
    """The ids of the request that this code runs for."""
    return _current.get(_NONE)


def current_request_id() -> str:
    """The id of the request that this code runs for; empty outside of requests."""
    return current_ids().request_id


def current_trace_id() -> str:
    """The id of the trace that this code runs for; empty without one."""
    return current_ids().trace_id


def begin_request(request_id: str = "", trace_id: str = "") -> None:
    """Give ids to the rest of this task, and to the tasks that it starts.

    Args:
        request_id: the client's; empty makes a new one. Characters that are not visible ASCII
            characters are percent-encoded, so that an id is one word of a log line. An id that is
            then longer than 128 characters is cut.
        trace_id: that of the request's trace; empty keeps the present one.
    """
    start = request_id[:MAX_CHARACTERS]  # quoting megabytes takes a tenth of a second
    shown = quote(start, safe=_VISIBLE)[:MAX_CHARACTERS] or uuid.uuid4().hex
    _current.set(RequestIds(shown, trace_id or current_trace_id()))


def joined_ids(requests: Iterable[RequestIds]) -> RequestIds:
    """Join the ids of several requests."""
    every = list(requests)
    return RequestIds(
        ",".join(filter(None, (each.request_id for each in every))),
        ",".join(dict.fromkeys(filter(None, (each.trace_id for each in every)))),
    )


@contextmanager
def running_for(requests: Iterable[RequestIds]) -> Iterator[None]:
    """Work for several requests at once inside the block."""
    token = _current.set(joined_ids(requests))
    try:
        yield
    finally:
        _current.reset(token)
