"""Splits a growing text into segments.

The segments depend on the text, on its flushes and on calls of `next_early`, but not on how the
text was split into pushes. The first sentence is a segment of its own, so that its audio starts
early. Later sentences are joined while they are short.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.sentences import early_end, forced_end, next_end
from barkserve.speakable import speakable

_JOINED_CHARACTERS = 256  # short texts that arrive are kept as strings of about this length
_BLOCK_CHARACTERS = 4096  # of a long text that are looked at together, so that work stays linear


@dataclass(frozen=True)
class Segment:
    """The text of one generation.

    Attributes:
        text: the text, without space around it.
        start: index of its first character in the whole text.
        redraws: which draw of it was spoken; None if that is not decided yet.
    """

    text: str
    start: int
    redraws: int | None = None

    @property
    def end(self) -> int:
        """The index after its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Cut:
    """A segment of a text that was spoken before and is spoken again.

    Attributes:
        start: index of its first character in the whole text.
        end: the index after its last character.
        redraws: which draw of it was spoken.
    """

    start: int
    end: int
    redraws: int


@dataclass(frozen=True)
class FlushMark:
    """A mark that follows all text before a flush."""

    flush_id: str


@dataclass(frozen=True)
class SkippedText:
    """Text without anything to speak was dropped. Let other tasks run, then call `next` again.

    A client may send a million such characters.
    """


class Segmenter:
    """Takes text; returns segments.

    Args:
        language: BCP 47 code of the text; empty: guessed from its script. It may be set until the
            first call of `next`.
        budget: the size of a segment.
        cuts: the first segments, if they are known; the other segments follow them.
    """

    def __init__(self, language: str, budget: Budget, cuts: Iterable[Cut] = ()) -> None:
        self._cuts = deque(cuts)
        self.language = language
        self._budget = budget
        self._incoming: deque[str | FlushMark] = deque()
        self._ended = False
        self._text = ""  # text that has not been returned, up to the next flush
        self._base = 0  # index of its first character in the whole text
        self._held = 0  # length of the complete sentences in it that wait to be joined
        self._segment_count = 0

    def push(self, text: str) -> None:
        """Add text."""
        last = self._incoming[-1] if self._incoming else None
        if text and isinstance(last, str) and len(last) < _JOINED_CHARACTERS:
            self._incoming.pop()
            text = last + text
        for start in range(0, len(text), _BLOCK_CHARACTERS):
            self._incoming.append(text[start : start + _BLOCK_CHARACTERS])

    def flush(self, flush_id: str) -> None:
        """Make `next` return all text so far, then a FlushMark."""
        self._incoming.append(FlushMark(flush_id))

    def end(self) -> None:
        """End the text."""
        self._ended = True

    def next(self) -> Segment | FlushMark | SkippedText | None:
        """Return the next segment or mark, or None if there is none now.

        After `end`, None is final. SkippedText means that the next call can return more.
        """
        if self._cuts:
            return self._next_cut()
        if len(self._text) < _BLOCK_CHARACTERS:
            self._take_incoming()
        while (segment := self._next_segment()) is None and self._incoming:
            if isinstance(self._incoming[0], FlushMark):
                return cast(FlushMark, self._incoming.popleft())
            self._take_incoming()
        return segment

    @property
    def has_text(self) -> bool:
        """Whether there is text that has not been returned."""
        return bool(self._incoming) or not (self._text.isspace() or self._text == "")

    @property
    def lacks_text(self) -> bool:
        """Whether a known segment waits for text."""
        return bool(self._cuts)

    @property
    def holds_sentences(self) -> bool:
        """Whether there are complete sentences that wait to be joined with the next."""
        return self._held > 0

    def next_early(self) -> Segment | None:
        """Return what can be spoken of the waiting text before its sentence is complete."""
        if self._cuts:
            return None
        end = self._held or early_end(self._text, self.language)
        return self._take(end) if end else None

    @property
    def _complete(self) -> bool:
        """Whether `_text` ends with a flush or with the end of the text."""
        if self._incoming:
            return isinstance(self._incoming[0], FlushMark)
        return self._ended

    def _next_cut(self) -> Segment | FlushMark | None:
        """The next known segment, or the next flush; None until its text has arrived."""
        cut = self._cuts[0]
        while self._base + len(self._text) < cut.end:
            if not self._incoming:
                return None
            if isinstance(self._incoming[0], FlushMark):  # no segment goes past a flush
                self._base, self._text = self._base + len(self._text), ""
                return cast(FlushMark, self._incoming.popleft())
            self._take_incoming()
            if self._base + len(self._text) <= cut.start:  # it was not spoken
                self._base, self._text = self._base + len(self._text), ""
        self._cuts.popleft()
        self._segment_count += 1
        text = self._text[max(0, cut.start - self._base) : cut.end - self._base]
        self._text, self._base = self._text[cut.end - self._base :], cut.end
        return Segment(text, cut.end - len(text), cut.redraws)

    def _take_incoming(self) -> None:
        """Take the next texts: about a block, and at least one text if there is one."""
        taken: list[str] = []
        length = 0
        while self._incoming and isinstance(self._incoming[0], str) and length < _BLOCK_CHARACTERS:
            taken.append(cast(str, self._incoming.popleft()))
            length += len(taken[-1])
        self._text += "".join(taken)

    def _next_segment(self) -> Segment | SkippedText | None:
        if not self._drop_leading_space():
            return None
        end = self._segment_end()
        return None if end is None else self._take(end) or SkippedText()

    def _drop_leading_space(self) -> str:
        """Drop space before a segment, which may be of any length; return the rest."""
        text = self._text.lstrip()
        self._base += len(self._text) - len(text)
        self._text = text
        return text

    def _segment_end(self) -> int | None:
        """The end of the next segment: of as many sentences as are joined."""
        while True:
            end = self._sentence_end()
            if end is None:
                return None
            if self._held and not self._can_join(end):
                return self._held
            self._held = end
            if self._is_long_enough(end):
                return end

    def _sentence_end(self) -> int | None:
        """The end of the sentence after the held ones."""
        if self._held == len(self._text):
            return self._held if self._complete else None
        limit = self._held + self._budget.limit + 1  # a longer sentence is split anyway
        end = next_end(self._text[self._held : limit], self.language, self._budget)
        if end is None:
            return len(self._text) if self._complete else None
        return self._held + end

    def _can_join(self, end: int) -> bool:
        return self._budget.cost(self._text[:end].rstrip()) <= self._join_limit

    def _is_long_enough(self, end: int) -> bool:
        text = self._text[:end]
        if self._complete and end == len(self._text):
            return True
        return speakable(text) and self._budget.cost(text) >= self._join_limit // 2

    @property
    def _join_limit(self) -> int:
        """The largest cost of joined sentences: 0 for the first segment, half for the second."""
        return self._budget.limit * min(self._segment_count, 2) // 2 if self._budget.joins else 0

    def _take(self, end: int) -> Segment | None:
        """Remove the text up to `end`; return None if there is nothing to speak in it."""
        text, self._text = self._text[:end], self._text[end:]
        start, self._base = self._base, self._base + end
        self._held = 0
        if not speakable(text):
            return None
        self._segment_count += 1
        return Segment(text.rstrip(), start)


def split_in_half(segment: Segment, budget: Budget) -> list[Segment]:
    """Split a segment that a stage found too long: at a clause, else a word, else anywhere.

    Args:
        segment: at least two characters.
        budget: how to count characters.

    Returns:
        The parts that can be spoken, at most two.
    """
    half = Budget(max(1, budget.cost(segment.text) // 2), budget.letters_only)
    middle = min(_fitting_length(segment.text, half), len(segment.text) - 1)
    end = forced_end(segment.text, middle, 0, half)
    parts = ((segment.text[:end], segment.start), (segment.text[end:], segment.start + end))
    return [
        Segment(text.strip(), start + len(text) - len(text.lstrip()))
        for text, start in parts
        if speakable(text)
    ]


def _fitting_length(text: str, budget: Budget) -> int:
    """The number of characters within the budget, at least one."""
    cost = 0
    for index, character in enumerate(text):
        cost += budget.character_cost(character)
        if cost > budget.limit:
            return max(1, index)
    return len(text)
