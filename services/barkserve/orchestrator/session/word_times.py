"""When the words of a whole speech are heard: those of each piece, moved to where the piece stands
in text and audio. Knows no messages.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.orchestrator.text.word_timer import TimedWord, WordTimer
from barkserve.orchestrator.text.words import Word, find_words


@dataclass(frozen=True)
class HeardWord:
    """A word of the whole text, and its samples, counted from the start of the speech at the
    checkpoint's rate.
    """

    word: Word
    first_sample: int
    end_sample: int


class WordTimes:
    """The words of one speech, piece after piece.

    Args:
        samples_a_token: at the checkpoint's rate.
    """

    def __init__(self, samples_a_token: float) -> None:
        self._samples_a_token = samples_a_token
        self._utterance: Utterance | None = None
        self._timer = WordTimer([])

    def certain(self, utterance: Utterance, spoken: Spoken, segment_start: int) -> list[HeardWord]:
        """The words of a piece that have become certain; it begins at sample `segment_start`."""
        if utterance is not self._utterance:
            self._utterance = utterance
            self._timer = WordTimer(find_words(utterance.segment.text))
        timed = self._timer.push(spoken.characters[self._timer.tokens :])
        return list(self._heard(timed, utterance, segment_start))

    def ended(
        self, utterance: Utterance, spoken: Spoken, segment_start: int, segment_end: int
    ) -> list[HeardWord]:
        """The last words of a piece, none of which is heard behind `segment_end`."""
        words = self.certain(utterance, spoken, segment_start)
        words += self._heard(self._timer.rest(), utterance, segment_start)
        return [
            HeardWord(
                each.word, min(each.first_sample, segment_end), min(each.end_sample, segment_end)
            )
            for each in words
        ]

    def _heard(
        self, timed: Iterable[TimedWord], utterance: Utterance, segment_start: int
    ) -> Iterator[HeardWord]:
        for each in timed:
            word = Word(each.word.text, utterance.segment.start + each.word.start)
            first = segment_start + round(each.first_token * self._samples_a_token)
            yield HeardWord(
                word, first, segment_start + round(each.end_token * self._samples_a_token)
            )
