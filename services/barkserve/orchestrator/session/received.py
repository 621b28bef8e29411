"""What a client already has of a synthesis that it resumes. Drops it from the speech made again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from barkserve.errors import CannotResume, InvalidArgument
from barkserve.orchestrator.audio.writer import EncodedAudio
from barkserve.orchestrator.synthesis.tail import MAX_REDRAWS
from barkserve.orchestrator.text.segmenter import Cut
from barkserve.v1 import speech_pb2

Item = TypeVar("Item")

MAX_SEGMENT_CHARACTERS = 4096


class Received:
    """The part of one synthesis that must not be sent again.

    Args:
        resume: what the client has. An empty message: nothing.

    Attributes:
        sample_count: number of samples that the client has, with those of `new_audio`.
    """

    def __init__(self, resume: speech_pb2.Resume) -> None:
        self._bytes_left = resume.byte_count
        self._words_left = resume.word_count
        self._marks_left = resume.mark_count
        self._segments_left = len(resume.segments)
        self.sample_count = resume.sample_count

    def new_audio(self, part: EncodedAudio) -> EncodedAudio | None:
        """Return what the client lacks of the next part; None if it lacks nothing.

        An encoder gives the same bytes however its input is split. Its parts may differ, so the
        samples that a part counts for start where the last part ended.
        """
        known = min(self._bytes_left, len(part.audio))
        self._bytes_left -= known
        end = part.first_sample + part.sample_count
        if known and known == len(part.audio):
            return None
        first, self.sample_count = self.sample_count, max(self.sample_count, end)
        if not part.audio and first == self.sample_count:
            return None
        return replace(
            part,
            audio=part.audio[known:],
            first_sample=first,
            sample_count=self.sample_count - first,
        )

    def is_new_segment(self) -> bool:
        """Whether the client lacks the next segment. Call this once for each segment."""
        if not self._segments_left:
            return True
        self._segments_left -= 1
        return False

    def new_words(self, words: Sequence[Item]) -> Sequence[Item]:
        """Return the words that the client lacks."""
        known = min(self._words_left, len(words))
        self._words_left -= known
        return words[known:]

    def new_marks(self, marks: Sequence[Item]) -> Sequence[Item]:
        """Return the marks that the client lacks."""
        known = min(self._marks_left, len(marks))
        self._marks_left -= known
        return marks[known:]

    def check_end(self) -> None:
        """Check, after the last part, that the synthesis had all that the client has.

        Raises:
            CannotResume: it had less.
        """
        if self._bytes_left:
            raise CannotResume("the speech made again is shorter than the audio that was received")


def resumed_cuts(resume: speech_pb2.Resume) -> list[Cut]:
    """The segments of a synthesis that is resumed.

    Raises:
        InvalidArgument: they are not in order, or a number is out of range.
    """
    counts = resume.sample_count, resume.byte_count, resume.word_count, resume.mark_count
    if min(counts) < 0:
        raise InvalidArgument("resume", "must have no negative numbers")
    cuts, position = [], 0
    for segment in resume.segments:
        start, end = segment.text_span.start, segment.text_span.end
        length = segment.character_count or end - start
        parts_of_a_replacement = segment.character_count and start < position <= end
        if not (position <= start or parts_of_a_replacement) or start >= end:
            raise InvalidArgument("resume.segments", "must be in the order of the text")
        if not 0 < length <= MAX_SEGMENT_CHARACTERS:
            raise InvalidArgument(
                "resume.segments", f"must have at most {MAX_SEGMENT_CHARACTERS} characters each"
            )
        if not 0 <= segment.redraws <= MAX_REDRAWS:
            raise InvalidArgument("resume.segments", f"redraws must be 0 to {MAX_REDRAWS}")
        cuts.append(Cut(start, length, segment.redraws))
        position = end
    return cuts


def check_same(before: speech_pb2.SynthesisStarted, now: speech_pb2.SynthesisStarted) -> None:
    """Check that a synthesis that is resumed will be the same speech.

    Raises:
        CannotResume: it will not.
    """
    for name in (
        "model",
        "model_revision",
        "voice",
        "encoding",
        "sample_rate_hertz",
        "speaking_rate",
        "lexicon_revision",
    ):
        expected, found = getattr(before, name), getattr(now, name)
        if expected != found:
            raise CannotResume(
                f"the speech began with {name} {expected!r}, and this server has {found!r}: "
                "request the rest of the text as a new synthesis"
            )
