"""The contexts of one StreamingSynthesize call, by id. It performs no I/O."""

from typing import Generic, TypeVar

from barkclient._internal.context_state import ContextState
from barkserve.v1 import speech_pb2

Context = TypeVar("Context", bound=ContextState)


class ContextTable(Generic[Context]):
    """Assigns context ids and passes each response to its context."""

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._opened = 0

    def new_id(self) -> str:
        """Return an id that no context of this call has had."""
        self._opened += 1
        return f"{self._opened}"

    def add(self, context: Context) -> None:
        """Register a context. Responses with its id go to it from now on."""
        self._contexts[context.context_id] = context

    def requests_again(self) -> list[speech_pb2.StreamingSynthesizeRequest]:
        """Return the requests that continue all open contexts in another call."""
        return [each for context in self._contexts.values() for each in context.requests_again()]

    def push(self, response: speech_pb2.StreamingSynthesizeResponse) -> None:
        """Pass a response to its context and remove the context after its last one.

        A response to a removed context answers a request that was in flight. It is ignored.
        """
        context = self._contexts.get(response.context_id)
        if context is None:
            return
        context.push(response)
        if response.WhichOneof("response") in ("finished", "error"):
            del self._contexts[response.context_id]
