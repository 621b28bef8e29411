"""Cuts a growing text into pieces, each of which one utterance can hold. Knows no clock: who feels
that the listener waits calls `hurry`.

The pieces depend on the text alone, on where flushes stand in it and on hurrying, never on how the
text was cut when it came. The first sentence is a piece of its own, so that it is heard soon; later
sentences are joined while they are short.
"""

from collections import deque
from dataclasses import dataclass

from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.sentences import forced_end, next_end, spoken_end
from barkserve.speakable import speakable


@dataclass(frozen=True)
class Segment:
    """Text for one utterance: what to say, and where it stands, in characters of the whole text."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class FlushMark:
    """All text before a flush has been handed out."""

    flush_id: str


@dataclass(frozen=True)
class PassedOver:
    """Some text without anything to speak has been dropped: ask again, after whoever else waits.
    There may be a million characters of it.
    """


class Segmenter:
    """Text in, pieces out.

    Args:
        language: the text's, a BCP 47 code; empty: guessed from the script. May be set until the
            first piece is asked for.
        budget: what a piece may cost.
    """

    def __init__(self, language: str, budget: Budget) -> None:
        self.language = language
        self._budget = budget
        self._incoming: deque[str | FlushMark] = deque()
        self._ended = False
        self._text = ""  # known and not handed out, up to the next flush
        self._base = 0  # place of its first character in the whole text
        self._held = 0  # characters of it that are whole sentences, waiting to be joined
        self._pieces = 0

    def push(self, text: str) -> None:
        """More text is known."""
        if text:
            self._incoming.append(text)

    def flush(self, flush_id: str) -> None:
        """Hand out all text so far, then a FlushMark."""
        self._incoming.append(FlushMark(flush_id))

    def end(self) -> None:
        """There is no more text."""
        self._ended = True

    def next(self) -> Segment | FlushMark | PassedOver | None:
        """The next piece or mark, or a part of the way there; None if there is none, for now or,
        behind `end`, for good.
        """
        self._join_incoming()
        segment = self._next_piece()
        if segment is not None or not self._incoming:
            return segment
        mark = self._incoming.popleft()
        assert isinstance(mark, FlushMark)
        return mark

    @property
    def waiting(self) -> bool:
        """Whether text is there that has not been handed out."""
        return bool(self._incoming) or not (self._text.isspace() or self._text == "")

    @property
    def holds_sentences(self) -> bool:
        """Whether whole sentences are there, kept back to be joined with the next."""
        return self._held > 0

    def hurry(self) -> Segment | None:
        """What can be spoken of the text that waits, although its sentence has not ended."""
        end = self._held or spoken_end(self._text, self.language)
        return self._take(end) if end else None

    @property
    def _final(self) -> bool:
        """Whether the known text goes up to a flush or the end."""
        return bool(self._incoming) or self._ended

    def _join_incoming(self) -> None:
        texts = []
        while self._incoming and isinstance(self._incoming[0], str):
            texts.append(self._incoming.popleft())
        self._text += "".join(map(str, texts))

    def _next_piece(self) -> Segment | PassedOver | None:
        """The next piece of the known text, if it is worth speaking."""
        if not self._without_leading_space():
            return None
        end = self._piece_end()
        return None if end is None else self._take(end) or PassedOver()

    def _without_leading_space(self) -> str:
        """The known text. Space before a piece is dropped, for it has no length at which it would
        be cut.
        """
        text = self._text.lstrip()
        self._base += len(self._text) - len(text)
        self._text = text
        return text

    def _piece_end(self) -> int | None:
        """How far the next piece goes: whole sentences, as many as are joined."""
        while True:
            end = self._sentence_end()
            if end is None:
                return None
            if self._held and not self._fits(end):
                return self._held
            self._held = end
            if self._enough(end):
                return end

    def _sentence_end(self) -> int | None:
        """Where the sentence behind the held ones ends."""
        if self._held == len(self._text):
            return self._held if self._final else None
        most = self._held + self._budget.limit + 1  # by then a sentence is cut
        end = next_end(self._text[self._held : most], self.language, self._budget)
        if end is None:
            return len(self._text) if self._final else None
        return self._held + end

    def _fits(self, end: int) -> bool:
        return self._budget.cost(self._text[:end].rstrip()) <= self._join_limit

    def _enough(self, end: int) -> bool:
        text = self._text[:end]
        if self._final and end == len(self._text):
            return True
        return speakable(text) and self._budget.cost(text) >= self._join_limit // 2

    @property
    def _join_limit(self) -> int:
        """Up to which cost sentences are joined: none to the first, few to the second."""
        return self._budget.limit * min(self._pieces, 2) // 2 if self._budget.joins else 0

    def _take(self, end: int) -> Segment | None:
        """Hand out the text up to `end`; None if there is nothing in it to speak."""
        text, self._text = self._text[:end], self._text[end:]
        start, self._base = self._base, self._base + end
        self._held = 0
        if not speakable(text):
            return None
        self._pieces += 1
        return Segment(text.rstrip(), start)


def split_in_half(segment: Segment, budget: Budget) -> list[Segment]:
    """A piece that was refused as too long, in two: cut at a clause, else a word, else anywhere.

    Args:
        piece: at least two characters.
        budget: how to count.
    """
    room = Budget(max(1, budget.cost(segment.text) // 2), budget.spelled)
    middle = min(_fitting(segment.text, room), len(segment.text) - 1)
    end = forced_end(segment.text, middle, 0, room)
    parts = ((segment.text[:end], segment.start), (segment.text[end:], segment.start + end))
    return [
        Segment(text.strip(), start + len(text) - len(text.lstrip()))
        for text, start in parts
        if speakable(text)
    ]


def _fitting(text: str, room: Budget) -> int:
    """Characters of a text that there is room for, at least one."""
    cost = 0
    for index, sign in enumerate(text):
        cost += room.cost_of(sign)
        if cost > room.limit:
            return max(1, index)
    return len(text)
