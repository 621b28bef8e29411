"""The histories of the voices that speak one text: each continues its own last speech."""

from collections.abc import Awaitable, Callable

from barkserve.checkpoint.voices import Voice
from barkserve.errors import NotFound
from barkserve.orchestrator.synthesis.history import History


class VoiceHistories:
    """What each voice of a text continues.

    Args:
        voice: the request's voice; None for no voice.
        find: returns the voice of a name, None for no voice.
        warn: called with the name of a voice that does not exist: the request's voice speaks.
    """

    def __init__(
        self,
        voice: Voice | None,
        find: Callable[[str], Awaitable[Voice | None]],
        warn: Callable[[str], None],
    ) -> None:
        self._find = find
        self._warn = warn
        self._histories = {"": History.from_voice(voice)}
        self._unknown: set[str] = set()

    async def get(self, name: str) -> History:
        """The history of the next segment of a voice; an empty name is the request's voice.

        Raises:
            BarkserveError: the voice cannot be read.
        """
        if name not in self._histories and name not in self._unknown:
            try:
                self._histories[name] = History.from_voice(await self._find(name))
            except NotFound:
                self._unknown.add(name)
                self._warn(name)
        return self._histories.get(name, self._histories[""])

    def set(self, name: str, history: History) -> None:
        """Set what the voice has spoken up to the end of its last segment."""
        self._histories["" if name in self._unknown else name] = history
