"""Places the words and marks of all segments in the text and the audio. Knows no messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.orchestrator.text.mark_timer import MarkTimer, TimedMark
from barkserve.orchestrator.text.markup.items import Mark
from barkserve.orchestrator.text.word_timer import TimedWord, WordTimer
from barkserve.orchestrator.text.words import find_words


@dataclass(frozen=True)
class WordInterval:
    """A word, its place in the client's text and its samples.

    Samples count from the start of the session, at the checkpoint's rate and the speaking rate.
    """

    text: str
    start: int
    end: int
    first_sample: int
    end_sample: int

    def until(self, end: int) -> Self:
        """The part before a sample."""
        return replace(
            self,
            first_sample=min(self.first_sample, end),
            end_sample=min(self.end_sample, end),
        )


@dataclass(frozen=True)
class MarkSample:
    """A mark and the sample at which the text after it begins; samples as of WordInterval."""

    mark: Mark
    sample: int

    def until(self, end: int) -> Self:
        """The mark at a sample at the latest."""
        return replace(self, sample=min(self.sample, end))


class WordTimes:
    """The words and marks of one session, segment after segment.

    Args:
        samples_per_token: at the checkpoint's rate and the natural pace.
    """

    def __init__(self, samples_per_token: float) -> None:
        self._samples_per_token = samples_per_token
        self._utterance: Utterance | None = None
        self._words = WordTimer([])
        self._marks = MarkTimer([])

    def update(
        self, utterance: Utterance, spoken: Spoken, segment_start: int
    ) -> list[WordInterval | MarkSample]:
        """Return the words of a segment that have ended, and its marks, since the last call.

        Args:
            utterance: the segment's.
            spoken: what the stages have produced of it so far.
            segment_start: the segment's first sample.
        """
        if utterance is not self._utterance:
            self._utterance = utterance
            self._words = WordTimer(find_words(utterance.segment.text))
            self._marks = MarkTimer(utterance.segment.marks)
        characters = spoken.characters[self._words.tokens :]
        timed: list[TimedWord | TimedMark] = [
            *self._words.push(characters),
            *self._marks.push(characters),
        ]
        return list(self._placed(timed, utterance, segment_start))

    def finish(
        self, utterance: Utterance, spoken: Spoken, segment_start: int, segment_end: int
    ) -> list[WordInterval | MarkSample]:
        """Return the last words and marks of a segment; none is after sample `segment_end`."""
        found = self.update(utterance, spoken, segment_start)
        rest: list[TimedWord | TimedMark] = [*self._words.rest(), *self._marks.rest()]
        found += self._placed(rest, utterance, segment_start)
        return [each.until(segment_end) for each in found]

    def _placed(
        self, timed: Sequence[TimedWord | TimedMark], utterance: Utterance, segment_start: int
    ) -> Iterator[WordInterval | MarkSample]:
        for each in timed:
            match each:
                case TimedMark(mark, token):
                    yield MarkSample(mark, segment_start + self._samples(token, utterance))
                case TimedWord(word, first, end):
                    start, stop = utterance.segment.span(word.start, word.end)
                    yield WordInterval(
                        word.text,
                        start,
                        stop,
                        segment_start + self._samples(first, utterance),
                        segment_start + self._samples(end, utterance),
                    )

    def _samples(self, tokens: int, utterance: Utterance) -> int:
        return round(tokens * self._samples_per_token / utterance.speaking_rate)
