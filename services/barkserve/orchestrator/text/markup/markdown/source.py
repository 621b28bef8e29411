"""The text that is read as Markdown, and the items that were read from it."""

from collections.abc import Iterable

from barkserve.orchestrator.text.markup.items import Gap, Item, Pause, Run

MAX_CHARACTERS = 600
"""A longer construct is read as text. Fenced code and tables may have any length."""


class Source:
    """A growing text with a place up to which it was read.

    Args:
        position: where the text begins in the client's text.

    Attributes:
        before: the character before the next one.
        cell_has_text: whether there was text since it was set to False. Tables use it.
    """

    def __init__(self, position: int) -> None:
        self.before = "\n"
        self.cell_has_text = False
        self._items: list[Item] = []
        self._text = ""
        self._next = 0  # index in the text: what is before it was read
        self._origin = position  # of the first character of the text
        self._final = False  # whether all of the text must be read now
        self._dropped: dict[int, int] = {}  # position of what is not spoken, and its length

    @property
    def waiting(self) -> bool:
        """Whether text is left."""
        return self._next < len(self._text)

    @property
    def rest(self) -> str:
        """All text that is left."""
        return self._text[self._next :]

    @property
    def sign(self) -> str:
        """The next character."""
        return self._text[self._next]

    @property
    def position(self) -> int:
        """Where the next character is in the client's text."""
        return self._origin + self._next

    def push(self, text: str) -> None:
        """Add text."""
        self._text = self._text[self._next :] + text
        self._origin, self._next = self._origin + self._next, 0

    def set_final(self, is_final: bool) -> None:
        """Set whether the text that is left must be read without waiting for more."""
        self._final = is_final

    def ahead(self) -> tuple[str, bool]:
        """The next MAX_CHARACTERS, and whether they must be read without waiting for more."""
        ahead = self._text[self._next : self._next + MAX_CHARACTERS]
        return ahead, self._final or len(ahead) == MAX_CHARACTERS

    def taken(self) -> Iterable[Item]:
        """Return the items since the last call."""
        items, self._items = self._items, []
        return items

    def speak(self, length: int, text: str | None = None) -> None:
        """Read the next characters as text, or as another text."""
        read = self._text[self._next : self._next + length]
        if spoken := read if text is None else text:
            self._items.append(Run(spoken, self.position, self.position + length))
        self.cell_has_text = self.cell_has_text or not read.isspace()
        self.skip(length)

    def skip(self, length: int) -> None:
        """Read the next characters without speaking them."""
        if length:
            self.before = self._text[self._next + length - 1]
            self._next += length

    def pause(self, seconds: float, length: int) -> None:
        """Read the next characters as a pause."""
        self._items.append(Pause(seconds, self.position, self.position + length))
        self.skip(length)

    def gap(self, seconds: float) -> None:
        """Add the silence of a line's end."""
        self._items.append(Gap(seconds))

    def drop_later(self, offset: int, length: int) -> None:
        """Mark characters that follow the next one as not spoken, such as a link's target."""
        self._dropped[self.position + offset] = length

    def drop(self) -> bool:
        """Skip what is marked as not spoken, if it is next."""
        length = self._dropped.pop(self.position, 0)
        self.skip(length)
        return bool(length)
