"""The text of one generation, and where it comes from."""

from dataclasses import dataclass

from barkserve.orchestrator.text.budget import Budget
from barkserve.orchestrator.text.markup.items import NATURAL, Mark, Style
from barkserve.orchestrator.text.origins import Origin, origins_of_part
from barkserve.orchestrator.text.sentences import forced_end
from barkserve.speakable import speakable


@dataclass(frozen=True)
class Segment:
    """The text of one generation.

    Attributes:
        text: the text, without space around it.
        start: where its first character comes from in the client's text.
        redraws: which draw of it was spoken; None if that is not decided yet.
        origins: where its characters come from; empty if `text` is in the client's text as it is.
        style: how it is spoken.
        marks: marks in the text, each with the character that follows it.
    """

    text: str
    start: int
    redraws: int | None = None
    origins: tuple[Origin, ...] = ()
    style: Style = NATURAL
    marks: tuple[tuple[int, Mark], ...] = ()

    @property
    def end(self) -> int:
        """The position after the last one that it comes from."""
        return self.origins[-1].end if self.origins else self.start + len(self.text)

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The positions that the characters from `first` to before `end` come from."""
        if not self.origins:
            return self.start + first, self.start + end
        origins = origins_of_part(self.origins, first, end)
        return origins[0].start, origins[-1].end

    def part(self, first: int, end: int) -> "Segment":
        """A part, without space around it.

        A mark after the last character belongs to the last part.
        """
        text = self.text[first:end]
        start = first + len(text) - len(text.lstrip())
        text = text.strip()
        marks = tuple(
            (min(max(index - start, 0), len(text)), mark)
            for index, mark in self.marks
            if first <= index < end or index == len(self.text) == end
        )
        origins = self.origins or (Origin(len(self.text), self.start, self.end),)
        own = origins_of_part(origins, start, start + len(text))
        return make_segment(text, own, self.style, marks)


def make_segment(
    text: str,
    origins: tuple[Origin, ...],
    style: Style = NATURAL,
    marks: tuple[tuple[int, Mark], ...] = (),
    redraws: int | None = None,
) -> Segment:
    """Make a segment of at least one character, whose origins may be those of plain text."""
    start = origins[0].start
    if len(origins) == 1 and origins[0].verbatim:
        origins = ()
    return Segment(text, start, redraws, origins, style, marks)


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
    return [
        segment.part(first, last)
        for first, last in ((0, end), (end, len(segment.text)))
        if speakable(segment.text[first:last])
    ]


def _fitting_length(text: str, budget: Budget) -> int:
    """The number of characters within the budget, at least one."""
    cost = 0
    for index, character in enumerate(text):
        cost += budget.character_cost(character)
        if cost > budget.limit:
            return max(1, index)
    return len(text)
