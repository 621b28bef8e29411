"""A text that is rewritten in steps and keeps the original position of each character."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

Rewrite = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class TextWithOffsets:
    """A rewritten text.

    Attributes:
        text: the current text.
        source: for each of its characters the index in the original; monotonic.
    """

    text: str
    source: tuple[int, ...]

    @classmethod
    def from_text(cls, original: str) -> "TextWithOffsets":
        """Start with the original text."""
        return cls(original, tuple(range(len(original))))

    def sub(self, pattern: re.Pattern[str], rewrite: str | Rewrite) -> "TextWithOffsets":
        """Replace all matches, like re.sub.

        Characters that begin or end both a match and its replacement keep their positions. The
        others are spread evenly over the positions between, without white space unless there is
        nothing else.

        Args:
            pattern: what to replace.
            rewrite: the replacement, taken literally, or a function of the match.
        """
        pieces: list[str] = []
        source: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = rewrite if isinstance(rewrite, str) else rewrite(match)
            pieces += (self.text[done : match.start()], new)
            source += self.source[done : match.start()]
            source += self._spread(match, new)
            done = match.end()
        if not pieces:
            return self
        text = "".join((*pieces, self.text[done:]))
        return TextWithOffsets(text, (*source, *self.source[done:]))

    def each(self, rewrite: Callable[[str], str]) -> "TextWithOffsets":
        """Rewrite every character on its own."""
        new = [rewrite(sign) for sign in self.text]
        source = [origin for origin, out in zip(self.source, new, strict=True) for _ in out]
        return TextWithOffsets("".join(new), tuple(source))

    def strip(self) -> "TextWithOffsets":
        """Remove white space from both ends."""
        start = len(self.text) - len(self.text.lstrip())
        text = self.text.strip()
        return TextWithOffsets(text, self.source[start : start + len(text)])

    def _spread(self, match: re.Match[str], new: str) -> tuple[int, ...]:
        """Return the original positions of a replacement's characters."""
        same = _common_length(match[0], new)
        start, middle = match.start() + same, new[same:]
        tail = _common_length(self.text[start : match.end()][::-1], middle[::-1])
        end, length = match.end() - tail, len(middle) - tail
        positions = self._positions(start, end) or self.source[match.start() : match.end()]
        return (
            *self.source[match.start() : start],
            *(positions[i * len(positions) // length] for i in range(length)),
            *self.source[end : match.end()],
        )

    def _positions(self, start: int, end: int) -> tuple[int, ...]:
        """Return the original positions of a span, without white space unless it is all that."""
        signs = tuple(
            origin
            for sign, origin in zip(self.text[start:end], self.source[start:end], strict=True)
            if not sign.isspace()
        )
        return signs or self.source[start:end]


def _common_length(first: str, second: str) -> int:
    """Return the length of the common start of two texts."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
