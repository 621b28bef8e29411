"""What a text consists of once its markup is read, in the order of speech. Values only.

Positions are code points of the client's own text. `start` is the first one, `end` the one after
the last.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Run:
    """Text to speak.

    Attributes:
        text: at least one character.
        start: where it comes from. Text of the same length comes from there character by
            character. Other text, such as the reading of a date, comes from there as a whole.
        end: the position after it.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Pause:
    """Silence that the text asks for.

    Attributes:
        seconds: its duration in the audio, whatever the speaking rate.
        start: where it is in the text.
        end: the position after it.
    """

    seconds: float
    start: int
    end: int


@dataclass(frozen=True)
class Gap:
    """The end of a line or paragraph that is more than the end of a sentence.

    Neighboring gaps count once, and not next to a pause, at the start or at the end.

    Attributes:
        seconds: silence before the text that follows.
    """

    seconds: float


@dataclass(frozen=True)
class Mark:
    """A place whose time is reported.

    Attributes:
        name: chosen by the client.
        start: where it is in the text.
    """

    name: str
    start: int


@dataclass(frozen=True)
class Language:
    """The language of the text that follows.

    Attributes:
        code: a BCP 47 code; empty for that of the request.
    """

    code: str


@dataclass(frozen=True)
class Style:
    """How the text that follows is spoken.

    Attributes:
        rate: factor of the request's speaking rate.
        gain_db: gain in decibels, in addition to the request's.
        voice: name of a voice; empty for that of the request.
    """

    rate: float = 1.0
    gain_db: float = 0.0
    voice: str = ""


NATURAL = Style()

Item = Run | Pause | Gap | Mark | Language | Style

Warn = Callable[[str, int, int], None]
"""Takes a message and the place that it is about: its first position, and that after its last."""


class Markup(Protocol):
    """Reads one text. Its items, with neighboring runs joined, do not depend on how it arrives."""

    @property
    def may_fail(self) -> bool:
        """Whether the text can be wrong. A complete text is then read before it is spoken."""

    @property
    def language(self) -> str:
        """BCP 47 code of the text; empty if unknown. May be set before the first text."""

    @language.setter
    def language(self, code: str) -> None: ...

    @property
    def waiting(self) -> bool:
        """Whether text is held until more arrives."""

    def push(self, text: str) -> Iterable[Item]:
        """Add text; return the items that are complete.

        Raises:
            InvalidArgument: the text is wrong.
        """

    def flush(self) -> Iterable[Item]:
        """Return the items of all text so far, as far as they can be spoken."""

    def early(self) -> Iterable[Item]:
        """Return the items of held text that can be spoken before more arrives."""

    def end(self) -> Iterable[Item]:
        """End the text; return its last items.

        Raises:
            InvalidArgument: the text is incomplete.
        """
