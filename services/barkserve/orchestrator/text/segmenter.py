"""Splits a growing text into segments.

The segments depend on the text, on its flushes and on calls of `next_early`, but not on how the
text was split into pushes. The first sentence is a segment of its own, so that its audio starts
early. Later sentences are joined while they are short. A pause or a change of style ends a segment.
"""

import unicodedata
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.markup.items import (
    NATURAL,
    Gap,
    Item,
    Language,
    Mark,
    Markup,
    Pause,
    Run,
    Style,
)
from barkserve.orchestrator.text.markup.plain import PlainText
from barkserve.orchestrator.text.origins import OriginalText
from barkserve.orchestrator.text.segment import Segment, make_segment
from barkserve.orchestrator.text.sentences import early_end, next_end
from barkserve.speakable import speakable

MAX_PAUSES = 1000
"""Pauses that a text may ask for. The ends of lines do not count."""

_JOINED_CHARACTERS = 256  # short texts that arrive are kept as strings of about this length
_BLOCK_CHARACTERS = 1024  # of a long text that are looked at together, so that work stays linear
_MAX_BOUNDARIES = 200  # that one call goes past


@dataclass(frozen=True)
class Cut:
    """A segment of a text that was spoken before and is spoken again.

    Attributes:
        start: where it begins in the client's text.
        length: the number of characters that it speaks.
        redraws: which draw of it was spoken.
    """

    start: int
    length: int
    redraws: int


@dataclass(frozen=True)
class FlushMark:
    """A mark that follows all text before a flush."""

    flush_id: str


@dataclass(frozen=True)
class SkippedText:
    """Text was read, and there is nothing to speak yet. Let other tasks run, then call again.

    A client may send a million characters without anything to speak.
    """


Part = Segment | Pause | Mark | FlushMark
"""What is spoken or reported, in order."""


class Segmenter:
    """Takes text; returns segments, and what is between them.

    Args:
        language: BCP 47 code of the text; empty: guessed from its script. It may be set until the
            first call of `next`.
        budget: the size of a segment.
        cuts: the first segments, if they are known; the other segments follow them.
        markup: reads the text; None: plain text.
        skipped: called with symbols that are not spoken, such as emoji between sentences, and
            with their first and last + 1 position.
    """

    def __init__(
        self,
        language: str,
        budget: Budget,
        cuts: Iterable[Cut] = (),
        markup: Markup | None = None,
        skipped: Callable[[str, tuple[int, int]], None] = lambda *_: None,
    ) -> None:
        self._skipped = skipped
        self._cuts = deque(cuts)
        self._budget = budget
        self._markup = markup or PlainText()
        self.language = language
        self._incoming: deque[str | FlushMark] = deque()
        self._ended = False
        self._markup_ended = False
        self._items: deque[Item | FlushMark] = deque()  # read, and not part of `_text`
        self._text = OriginalText()  # not returned, up to the next item that ends a segment
        self._base = 0  # characters before it
        self._marks: deque[tuple[int, Mark]] = deque()  # characters before each
        self._languages: deque[tuple[int, str]] = deque()  # characters before each
        self._style = NATURAL
        self._held = 0  # length of the complete sentences in the text that wait to be joined
        self._segment_count = 0
        self._pause_count = 0
        self._paused = True  # whether nothing was spoken since a pause or the start
        self._gap_s = 0.0  # silence before the next segment
        self._next: Segment | None = None  # follows a gap that was returned

    @property
    def language(self) -> str:
        """BCP 47 code of the text."""
        return self._markup.language

    @language.setter
    def language(self, code: str) -> None:
        self._markup.language = code

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

    def next(self) -> Part | SkippedText | None:
        """Return the next segment or what is between two; None if there is nothing now.

        After `end`, None is final. SkippedText means that the next call can return more.

        Raises:
            InvalidArgument: the markup is wrong, or there are too many pauses.
        """
        if self._next is not None:
            segment, self._next = self._next, None
            return segment
        if self._ended and self._incoming and self._markup.may_fail:
            self._read()
            return SkippedText()
        part = self._next_cut() if self._cuts else self._next_part()
        return self._after_gap(part) if isinstance(part, Segment) else part

    @property
    def has_text(self) -> bool:
        """Whether there is text that has not been returned."""
        waiting = self._incoming or self._items or self._next or self._markup.waiting
        return bool(waiting) or not (self._text.text.isspace() or self._text.text == "")

    @property
    def lacks_text(self) -> bool:
        """Whether a known segment waits for text."""
        return bool(self._cuts)

    @property
    def holds_sentences(self) -> bool:
        """Whether there are complete sentences that wait to be joined with the next."""
        return self._held > 0

    def next_early(self) -> Segment | Pause | None:
        """Return what can be spoken of the waiting text before its sentence is complete."""
        if self._cuts:
            return None
        self._items.extend(self._markup.early())
        self._take_items()
        end = self._held or early_end(self._text.text, self._language_at(self._base))
        segment = self._take(end) if end else None
        return self._after_gap(segment) if segment else None

    @property
    def _complete(self) -> bool:
        """Whether the text is followed by the end, or by what ends a segment."""
        return self._at_boundary or (self._markup_ended and not self._items)

    @property
    def _at_boundary(self) -> bool:
        """Whether what follows the text ends a segment."""
        return bool(self._items) and not isinstance(self._items[0], Run | Mark | Language)

    def _read(self) -> int:
        """Read the next text that has arrived; return its length, at least 1; 0 for no text."""
        if self._incoming:
            incoming = self._incoming.popleft()
            if isinstance(incoming, FlushMark):
                self._items.extend(self._markup.flush())
                self._items.append(incoming)
                return 1
            self._items.extend(self._markup.push(incoming))
            return len(incoming)
        if self._ended and not self._markup_ended:
            self._markup_ended = True
            self._items.extend(self._markup.end())
            return 1
        return 0

    def _take_items(self) -> bool:
        """Add about a block of items to the text. Return False if there was nothing."""
        runs: list[Run] = []
        length, read = len(self._text), 0
        progress = bool(self._items)
        while length < _BLOCK_CHARACTERS and read < _BLOCK_CHARACTERS and not self._at_boundary:
            if not self._items:
                count = self._read()
                if not count:
                    break
                read, progress = read + count, True
                continue
            match self._items.popleft():
                case Run() as run:
                    runs.append(run)
                    length += len(run.text)
                case Mark() as mark:
                    self._marks.append((self._base + length, mark))
                case Language(code):
                    self._languages.append((self._base + length, code))
        self._text.append(runs)
        return progress

    def _pass_boundary(self) -> Part | None:
        """Go past what ends a segment; return it if it is spoken or reported."""
        match self._items.popleft():
            case Style() as style:
                self._style = style
            case Gap(seconds) if not self._paused:
                self._gap_s = max(self._gap_s, seconds)
            case Pause() as pause:
                self._pause_count += 1
                if self._pause_count > MAX_PAUSES:
                    raise InvalidArgument("text", f"must have at most {MAX_PAUSES} pauses")
                self._paused, self._gap_s = True, 0.0
                return pause
            case FlushMark() as flush:
                return flush
        return None

    def _after_gap(self, segment: Segment) -> Segment | Pause:
        """Return a segment, or first the silence before it."""
        self._paused = False
        if not self._gap_s:
            return segment
        self._next, gap_s, self._gap_s = segment, self._gap_s, 0.0
        return Pause(gap_s, segment.start, segment.start)

    def _next_part(self) -> Part | SkippedText | None:
        self._take_items()
        for _ in range(_MAX_BOUNDARIES):
            segment = self._next_segment()
            if segment is not None:
                return segment
            if self._complete and self._marks:
                return self._marks.popleft()[1]
            if self._at_boundary:
                if part := self._pass_boundary():
                    return part
                self._take_items()
            elif not self._take_items():
                return None
            elif self._incoming:
                return SkippedText()
        return SkippedText()

    def _next_cut(self) -> Part | SkippedText | None:
        """The next known segment, or what is before it; None until its text has arrived."""
        cut = self._cuts[0]
        for _ in range(_MAX_BOUNDARIES):
            first = self._text.index_at(cut.start)
            self._drop(len(self._text) if first is None else first)  # it was not spoken
            if first is not None and len(self._text) >= cut.length:
                self._cuts.popleft()
                rest = self._text.text[cut.length :]
                return self._cut_off(cut.length, cut.redraws, len(rest) - len(rest.lstrip()))
            if self._at_boundary:  # no segment goes past it
                self._drop(len(self._text))
                if part := self._pass_boundary():
                    return part
            elif not self._take_items():
                return None
        return SkippedText()

    def _next_segment(self) -> Segment | SkippedText | None:
        text = self._text.text
        if not self._drop(len(text) - len(text.lstrip())):  # which may be any number
            return None
        end = self._segment_end()
        return None if end is None else self._take(end) or SkippedText()

    def _drop(self, end: int) -> str:
        """Drop text that is not spoken; return the rest."""
        if end:
            self._text.take(end)
            self._base += end
        return self._text.text

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
        language = self._language_at(self._base + self._held)
        end = next_end(self._text.text[self._held : limit], language, self._budget)
        if end is None:
            return len(self._text) if self._complete else None
        return self._held + end

    def _can_join(self, end: int) -> bool:
        return self._budget.cost(self._text.text[:end].rstrip()) <= self._join_limit

    def _is_long_enough(self, end: int) -> bool:
        text = self._text.text[:end]
        if self._complete and end == len(self._text):
            return True
        return speakable(text) and self._budget.cost(text) >= self._join_limit // 2

    @property
    def _join_limit(self) -> int:
        """The largest cost of joined sentences: 0 for the first segment, half for the second."""
        return self._budget.limit * min(self._segment_count, 2) // 2 if self._budget.joins else 0

    def _language_at(self, index: int) -> str:
        """The language after the first `index` characters."""
        while len(self._languages) > 1 and self._languages[1][0] <= index:
            self._languages.popleft()
        known = self._languages and self._languages[0][0] <= index and self._languages[0][1]
        return known or self.language

    def _take(self, end: int) -> Segment | None:
        """Remove the text up to `end`; return None if there is nothing to speak in it."""
        self._held = 0
        text = self._text.text[:end]
        if not speakable(text):
            self._pass_over(end)
            return None
        return self._cut_off(len(text.rstrip()), None, rest=end - len(text.rstrip()))

    def _pass_over(self, end: int) -> None:
        """Drop text without anything to speak; report the symbols in it."""
        text, origins = self._text.take(end)
        self._base += end
        if any(_is_symbol(character) for character in text):
            self._skipped(text.strip(), (origins[0].start, origins[-1].end))

    def _cut_off(self, length: int, redraws: int | None, rest: int = 0) -> Segment:
        """Remove the first `length` characters as a segment, and `rest` after them."""
        start = self._base
        text, origins = self._text.take(length)
        self._base += length
        self._drop(rest)
        at_end = self._complete and not self._text
        marks = []
        while self._marks and (self._marks[0][0] < self._base or at_end):
            index, mark = self._marks.popleft()
            marks.append((min(max(index - start, 0), length), mark))
        self._segment_count += 1
        return make_segment(text, origins, self._style, tuple(marks), redraws)


def _is_symbol(character: str) -> bool:
    """Whether a character is an emoji or another sign that is not mere punctuation."""
    return not character.isascii() and unicodedata.category(character)[0] == "S"
