"""The id of the request that code runs for: log lines show it, and calls to stages carry it."""

import string
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote

MAX_CHARACTERS = 128
"""Length of the ids that clients may choose."""
METADATA_KEY = "x-request-id"
"""The key of the id in the metadata of an RPC."""

_VISIBLE = string.ascii_letters + string.digits + string.punctuation.replace('"', "")

_current: ContextVar[str] = ContextVar("request_id")


def current_request_id() -> str:
    """The id of the request that this code runs for; empty outside of requests."""
    return _current.get("")


def begin_request(request_id: str = "") -> None:
    """Give an id to the rest of this task, and to the tasks that it starts.

    Args:
        request_id: the client's; empty makes a new one. Characters that are not visible ASCII
            characters are percent-encoded, so that an id is one word of a log line. An id that is
            then longer than 128 characters is cut.
    """
    start = request_id[:MAX_CHARACTERS]  # quoting megabytes takes a tenth of a second
    _current.set(quote(start, safe=_VISIBLE)[:MAX_CHARACTERS] or uuid.uuid4().hex)


@contextmanager
def running_for(request_ids: Iterable[str]) -> Iterator[None]:
    """Work for several requests at once inside the block."""
    token = _current.set(",".join(filter(None, request_ids)))
    try:
        yield
    finally:
        _current.reset(token)
