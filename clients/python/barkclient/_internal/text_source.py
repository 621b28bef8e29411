"""The requests of a text that is still being written, for one call after another."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from barkclient._internal.encoding_errors import encoding_errors
from barkclient._internal.option_checks import check_types
from barkclient.options import resumed_config
from barkserve.v1 import speech_pb2

Request = speech_pb2.StreamingSynthesizeRequest


class AsyncTextSource:
    """Reads a text as the calls ask for it, and keeps what it has read for the next call.

    Args:
        config: how to speak.
        texts: the text.

    Attributes:
        failure: the exception that ended the text. gRPC would only report a cancelled call.
    """

    def __init__(
        self, config: speech_pb2.StreamingConfig, texts: AsyncIterable[str | bytes]
    ) -> None:
        self._config = config
        check_types({"texts": texts}, {"texts": AsyncIterable})
        self._texts = aiter(texts)
        self._read: list[Request] = []
        self._ended = False
        self._reading: asyncio.Task[None] | None = None
        self.failure: Exception | None = None

    async def requests(self, resume: speech_pb2.Resume | None) -> AsyncIterator[Request]:
        """Yield the requests of one call; `resume` is None for the first one."""
        yield Request(config=resumed_config(self._config, resume))
        position = 0
        while True:
            while position < len(self._read):
                yield self._read[position]
                position += 1
            if self._ended:
                return
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_next())
                self._reading.add_done_callback(_retrieve_exception)
            await asyncio.shield(self._reading)  # gRPC cancels the requests of a call that is cut

    def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read_next(self) -> None:
        try:
            text = await anext(self._texts)
            self._read.append(text_request(text))
        except StopAsyncIteration:
            self._read.append(Request(end=speech_pb2.End()))
            self._ended = True
        except Exception as error:
            self.failure = error
            raise
        self._reading = None


class TextSource:
    """The same for code without an event loop; threads of gRPC read the text."""

    def __init__(self, config: speech_pb2.StreamingConfig, texts: Iterable[str | bytes]) -> None:
        self._config = config
        check_types({"texts": texts}, {"texts": Iterable})
        self._texts = iter(texts)
        self._read: list[Request] = []
        self._ended = False
        self._reading = threading.Lock()
        self.failure: Exception | None = None

    def requests(self, resume: speech_pb2.Resume | None) -> Iterator[Request]:
        """Yield the requests of one call; `resume` is None for the first one."""
        yield Request(config=resumed_config(self._config, resume))
        position = 0
        while (request := self._at(position)) is not None:
            yield request
            position += 1

    def _at(self, position: int) -> Request | None:
        with self._reading:
            if position == len(self._read) and not self._ended:
                self._read_next()
            return self._read[position] if position < len(self._read) else None

    def _read_next(self) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            self._read.append(text_request(next(self._texts)))
        except StopIteration:
            self._read.append(Request(end=speech_pb2.End()))
            self._ended = True
        except Exception as error:
            self.failure = error
            raise


def text_request(text: str | bytes) -> Request:
    """Build the request that carries more text.

    Raises:
        InvalidRequest: it is not text.
    """
    check_types({"text": text}, {"text": str | bytes})
    with encoding_errors():
        return Request(utf8=text) if isinstance(text, bytes) else Request(text=text)


def _retrieve_exception(task: "asyncio.Task[None]") -> None:
    """Mark a failure as seen, so that asyncio does not log it when no call reads any more."""
    if not task.cancelled():
        task.exception()
