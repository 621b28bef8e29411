"""A text that is rewritten step by step and knows, of each of its characters, where in the original
it came from. Knows no language.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

Rewrite = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class TextWithOffsets:
    """A rewritten text.

    Attributes:
        text: as it now is.
        source: for each of its characters the index of one in the original, never falling.
    """

    text: str
    source: tuple[int, ...]

    @classmethod
    def from_text(cls, original: str) -> "TextWithOffsets":
        """The original itself."""
        return cls(original, tuple(range(len(original))))

    def sub(self, pattern: re.Pattern[str], rewrite: str | Rewrite) -> "TextWithOffsets":
        """re.sub; what takes a match's place is spread evenly over where the match came from, white
        space left out if there is more. A string stands for itself, without references to
        groups.
        """
        pieces: list[str] = []
        source: list[int] = []
        done = 0
        for match in pattern.finditer(self.text):
            new = rewrite if isinstance(rewrite, str) else rewrite(match)
            pieces += (self.text[done : match.start()], new)
            source += self.source[done : match.start()]
            places = self._places(match.start(), match.end())
            source += (places[i * len(places) // len(new)] for i in range(len(new)))
            done = match.end()
        text = "".join((*pieces, self.text[done:]))
        return TextWithOffsets(text, (*source, *self.source[done:]))

    def each(self, rewrite: Callable[[str], str]) -> "TextWithOffsets":
        """Every character rewritten by itself."""
        new = [rewrite(sign) for sign in self.text]
        source = [origin for origin, out in zip(self.source, new, strict=True) for _ in out]
        return TextWithOffsets("".join(new), tuple(source))

    def strip(self) -> "TextWithOffsets":
        """Without white space at both ends."""
        start = len(self.text) - len(self.text.lstrip())
        text = self.text.strip()
        return TextWithOffsets(text, self.source[start : start + len(text)])

    def _places(self, start: int, end: int) -> tuple[int, ...]:
        """Where a stretch that is not empty came from, without its white space if there is more."""
        signs = tuple(
            origin
            for sign, origin in zip(self.text[start:end], self.source[start:end], strict=True)
            if not sign.isspace()
        )
        return signs or self.source[start:end]
