"""Text to speak together with where it comes from in the client's text."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from barkserve.orchestrator.text.markup.items import Run


@dataclass(frozen=True)
class Origin:
    """Where some consecutive characters come from.

    Attributes:
        length: their number.
        start: first position in the client's text.
        end: the position after the last one. If there are as many positions as characters, each
            character comes from its own. Otherwise, each comes from all of them.
    """

    length: int
    start: int
    end: int

    @property
    def verbatim(self) -> bool:
        """Whether each character comes from its own position."""
        return self.length == self.end - self.start

    def part(self, first: int, end: int) -> "Origin":
        """The origin of its characters from `first` to before `end`."""
        if self.verbatim:
            return Origin(end - first, self.start + first, self.start + end)
        return Origin(end - first, self.start, self.end)


class OriginalText:
    """A text that grows at its end and is taken from its start.

    Attributes:
        text: the characters that were not taken.
    """

    def __init__(self) -> None:
        self.text = ""
        self._origins: deque[Origin] = deque()

    def __len__(self) -> int:
        return len(self.text)

    def append(self, runs: Iterable[Run]) -> None:
        """Add text."""
        texts = []
        for run in runs:
            texts.append(run.text)
            origin, last = _origin(run), self._origins[-1] if self._origins else None
            if last and last.verbatim and origin.verbatim and last.end == origin.start:
                self._origins[-1] = Origin(last.length + origin.length, last.start, origin.end)
            else:
                self._origins.append(origin)
        self.text += "".join(texts)

    def take(self, end: int) -> tuple[str, tuple[Origin, ...]]:
        """Remove the first `end` characters; return them and their origins."""
        text, self.text = self.text[:end], self.text[end:]
        taken, left = [], len(text)
        while left:
            origin = self._origins.popleft()
            if origin.length > left:
                self._origins.appendleft(origin.part(left, origin.length))
                origin = origin.part(0, left)
            taken.append(origin)
            left -= origin.length
        return text, tuple(taken)

    def index_at(self, position: int) -> int | None:
        """The first character that comes from `position` or a later one; None if there is none."""
        index = 0
        for origin in self._origins:
            if origin.start >= position:
                return index
            if origin.verbatim and position < origin.end:
                return index + position - origin.start
            index += origin.length
        return None


def origins_of_part(origins: Sequence[Origin], first: int, end: int) -> tuple[Origin, ...]:
    """The origins of the characters from `first` to before `end`."""
    parts, index = [], 0
    for origin in origins:
        begin, stop = max(first - index, 0), min(end - index, origin.length)
        if begin < stop:
            parts.append(origin.part(begin, stop))
        index += origin.length
        if index >= end:
            break
    return tuple(parts)


def _origin(run: Run) -> Origin:
    return Origin(len(run.text), run.start, run.end)
