"""The blocking client: the requests and responses of `async_client` over gRPC's blocking calls."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from barkclient.channel import DEFAULT_TARGET, channel_options, speech_stub
from barkclient.errors import map_errors
from barkclient.options import SynthesisOptions, build_request
from barkclient.responses import AudioChunk, Progress
from barkclient.voices import Voice
from barkserve.v1 import speech_pb2


class _Closing(ABC):
    """What `with` closes."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Client(_Closing):
    """A client of one server for code without an event loop; see AsyncClient."""

    def __init__(self, target: str = DEFAULT_TARGET, *, timeout: float | None = None) -> None:
        self._target = target
        self._timeout = timeout
        self._channel = grpc.insecure_channel(target, options=channel_options(target))
        self._stub = speech_stub(self._channel)

    def synthesize(
        self, text: str, *, timeout: float | None = None, **options: Unpack[SynthesisOptions]
    ) -> "Synthesis":
        """Sends the request at once; iterate over what is returned to hear it."""
        request = build_request(text, **options)
        call = self._stub.Synthesize(request, timeout=self._timeout if timeout is None else timeout)
        return Synthesis(call, self, self._target)

    def voices(self, *, timeout: float | None = None) -> list[Voice]:
        """The voices that can be named, in alphabetical order."""
        request = speech_pb2.ListVoicesRequest()
        with map_errors(self._target):
            response = self._stub.ListVoices(
                request, timeout=self._timeout if timeout is None else timeout
            )
        return [Voice(voice.name, voice.is_default) for voice in response.voices]

    def close(self) -> None:
        """Cancels what is still being spoken and closes the connection."""
        self._channel.close()


class Synthesis(_Closing, Progress):
    """One text being spoken: an iterator of its audio. Closing or dropping it cancels the call."""

    def __init__(self, call: Any, client: Client, target: str) -> None:
        super().__init__()
        self._call = call
        self._client = client  # keeps the channel open
        self._target = target

    def __iter__(self) -> Iterator[AudioChunk]:
        return self

    def __next__(self) -> AudioChunk:
        with map_errors(self._target):
            for response in self._call:
                chunk = self._transcript.push(response)
                if chunk is not None:
                    return chunk
        self._transcript.end()
        raise StopIteration

    def read(self) -> AudioChunk:
        """All audio that has not been read yet, as one chunk."""
        return self._join(list(self))

    def close(self) -> None:
        """Stops speaking."""
        self._call.cancel()
