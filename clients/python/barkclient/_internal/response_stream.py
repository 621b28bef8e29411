"""The types of streaming calls: their responses are iterated over, and they can be cancelled."""

from collections.abc import AsyncIterable, Iterator
from typing import Protocol, TypeVar

ResponseT_co = TypeVar("ResponseT_co", covariant=True)


class ResponseStream(Iterator[ResponseT_co], Protocol[ResponseT_co]):
    """A blocking call."""

    def cancel(self) -> object:
        """Cancel the call."""


class AsyncResponseStream(AsyncIterable[ResponseT_co], Protocol[ResponseT_co]):
    """An asynchronous call."""

    def cancel(self) -> object:
        """Cancel the call."""
