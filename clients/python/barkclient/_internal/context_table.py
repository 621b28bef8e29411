"""The contexts of one StreamingSynthesize call, without its waiting: names them, sorts responses.

Knows no connection.
"""

from typing import Generic, TypeVar

from barkclient._internal.context_state import ContextState
from barkserve.v1 import speech_pb2

Context = TypeVar("Context", bound=ContextState)


class Conversation(Generic[Context]):
    """Contexts by id."""

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._opened = 0

    def new_id(self) -> str:
        """An id that no context of this call has had."""
        self._opened += 1
        return f"{self._opened}"

    def add(self, context: Context) -> None:
        """Responses for its id go to this context from now on."""
        self._contexts[context.context_id] = context

    def push(self, response: speech_pb2.StreamingSynthesizeResponse) -> None:
        """Hands a response to its context, which is forgotten with its last one. What comes for
        one that is over answers text that was on its way; it is passed over.
        """
        context = self._contexts.get(response.context_id)
        if context is None:
            return
        context.push(response)
        if response.WhichOneof("response") in ("finished", "failed"):
            del self._contexts[response.context_id]
