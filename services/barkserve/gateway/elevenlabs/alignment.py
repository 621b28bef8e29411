"""The times of characters, which ElevenLabs reports, from the times of words.

The characters of a word share its time equally. Characters between two words share the time between
them. The characters after the last word take no time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from barkclient import WordTime


@dataclass
class Alignment:
    """Characters and when each one is spoken, in seconds from the beginning of the speech."""

    characters: list[str] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)

    def extend(self, characters: str, start_s: float, end_s: float) -> None:
        """Add characters that share a time span equally."""
        step_s = (end_s - start_s) / max(1, len(characters))
        for index, character in enumerate(characters):
            self.characters.append(character)
            self.starts_s.append(start_s + index * step_s)
            self.ends_s.append(start_s + (index + 1) * step_s)

    def in_seconds(self) -> dict[str, object]:
        """The form of the HTTP API."""
        return {
            "characters": self.characters,
            "character_start_times_seconds": self.starts_s,
            "character_end_times_seconds": self.ends_s,
        }

    def in_milliseconds(self, origin_s: float) -> dict[str, object]:
        """The form of the WebSocket API.

        Args:
            origin_s: the time that counts as 0: the end of the alignment before this one.
        """
        starts = [round(1000 * (each - origin_s)) for each in self.starts_s]
        ends = [round(1000 * (each - origin_s)) for each in self.ends_s]
        durations = [end - start for start, end in zip(starts, ends, strict=True)]
        return {"chars": self.characters, "charStartTimesMs": starts, "charDurationsMs": durations}


class Aligner:
    """Follows one text and returns each character once, when its time is known."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.end_s = 0.0
        """The end of the last character that was returned."""
        self._next = 0

    def take(self, words: Iterable[WordTime]) -> Alignment | None:
        """The alignment up to the end of the last of these words; None without words."""
        found = Alignment()
        for word in words:
            start_s, end_s = max(word.start_s, self.end_s), max(word.end_s, self.end_s)
            found.extend(self.text[self._next : word.text_start], self.end_s, start_s)
            # Words that SSML puts in the place of a text share the text.
            own = self.text[max(word.text_start, self._next) : word.text_end]
            found.extend(own, start_s, end_s)
            self._next, self.end_s = max(word.text_end, self._next), end_s
        return found if found.characters else None

    def rest(self) -> Alignment | None:
        """The characters after the last word; None if there are none."""
        found = Alignment()
        found.extend(self.text[self._next :], self.end_s, self.end_s)
        self._next = len(self.text)
        return found if found.characters else None
