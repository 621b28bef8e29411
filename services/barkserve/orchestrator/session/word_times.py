"""Places the words of all segments in the text and the audio of a session. Knows no messages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.orchestrator.text.word_timer import TimedWord, WordTimer
from barkserve.orchestrator.text.words import Word, find_words


@dataclass(frozen=True)
class WordInterval:
    """A word of the whole text and its samples.

    Samples count from the start of the session, at the checkpoint's rate and the speaking rate.
    """

    word: Word
    first_sample: int
    end_sample: int


class WordTimes:
    """The words of one session, segment after segment.

    Args:
        samples_per_token: at the checkpoint's rate and the speaking rate.
    """

    def __init__(self, samples_per_token: float) -> None:
        self._samples_per_token = samples_per_token
        self._utterance: Utterance | None = None
        self._timer = WordTimer([])

    def update(
        self, utterance: Utterance, spoken: Spoken, segment_start: int
    ) -> list[WordInterval]:
        """Return the words of a segment that have ended since the last call.

        Args:
            utterance: the segment's.
            spoken: what the stages have produced of it so far.
            segment_start: the segment's first sample.
        """
        if utterance is not self._utterance:
            self._utterance = utterance
            self._timer = WordTimer(find_words(utterance.segment.text))
        timed = self._timer.push(spoken.characters[self._timer.tokens :])
        return list(self._intervals(timed, utterance, segment_start))

    def finish(
        self, utterance: Utterance, spoken: Spoken, segment_start: int, segment_end: int
    ) -> list[WordInterval]:
        """Return the last words of a segment; none ends after sample `segment_end`."""
        words = self.update(utterance, spoken, segment_start)
        words += self._intervals(self._timer.rest(), utterance, segment_start)
        return [
            WordInterval(
                each.word, min(each.first_sample, segment_end), min(each.end_sample, segment_end)
            )
            for each in words
        ]

    def _intervals(
        self, timed: Iterable[TimedWord], utterance: Utterance, segment_start: int
    ) -> Iterator[WordInterval]:
        for each in timed:
            yield WordInterval(
                Word(each.word.text, utterance.segment.start + each.word.start),
                segment_start + round(each.first_token * self._samples_per_token),
                segment_start + round(each.end_token * self._samples_per_token),
            )
