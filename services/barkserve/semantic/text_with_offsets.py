"""A text that is rewritten in steps and keeps the original position of each character."""

import re
from collections.abc import Callable
from dataclasses import dataclass

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

        The characters of a replacement are spread evenly over the positions of the match, without
        its white space unless it is all white space.

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
            positions = self._positions(match.start(), match.end())
            source += (positions[i * len(positions) // len(new)] for i in range(len(new)))
            done = match.end()
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

    def _positions(self, start: int, end: int) -> tuple[int, ...]:
        """Return the original positions of a span, without white space unless it is all that."""
        signs = tuple(
            origin
            for sign, origin in zip(self.text[start:end], self.source[start:end], strict=True)
            if not sign.isspace()
        )
        return signs or self.source[start:end]
