"""The text of one session, between the client that writes it and the synthesis that reads it.

The feed decides when incomplete sentences must be spoken because the player is about to underrun.
"""

import asyncio
import codecs
from collections.abc import Callable

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.segmenter import FlushMark, Segment, Segmenter, SkippedText

JOIN_LEAD_S = 1.0
"""Complete sentences that wait to be joined are spoken this long before incomplete ones."""


class TextFeed:
    """Takes text at any time; returns segments on request.

    Args:
        segmenter: splits the text.
        underrun_at: returns the event loop's time at which the player has played all audio, None
            while a segment is being synthesized.
        max_characters: the limit of the whole text.
        max_delay_s: how long an incomplete sentence may wait after an underrun.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        underrun_at: Callable[[], float | None],
        max_characters: int,
        max_delay_s: float,
    ) -> None:
        self._segmenter = segmenter
        self._underrun_at = underrun_at
        self._changed = asyncio.Event()
        self._characters_left = self._max_characters = max_characters
        self._max_delay_s = max_delay_s
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._waiting_since = 0.0  # arrival of the oldest text that has not been returned
        self._ended = False

    def push(self, text: str) -> None:
        """Add text.

        Raises:
            InvalidArgument: the text has ended, or is too long.
        """
        self._check_complete_character()
        self._push(text)

    def push_utf8(self, data: bytes) -> None:
        """Add text as UTF-8; a character may continue in the next call.

        Raises:
            InvalidArgument: the bytes are not UTF-8, or the text has ended or is too long.
        """
        try:
            self._push(self._utf8.decode(data))
        except UnicodeDecodeError as error:
            raise InvalidArgument("utf8", f"is not valid UTF-8: {error.reason}") from None

    def flush(self, flush_id: str) -> None:
        """Request that all text so far is spoken, followed by a mark.

        Raises:
            InvalidArgument: the text has ended, or is too long. A flush counts as a character.
        """
        self._reserve(1)
        self._segmenter.flush(flush_id)
        self._changed.set()

    def end(self) -> None:
        """End the text.

        Raises:
            InvalidArgument: the last UTF-8 character is incomplete.
        """
        self._check_complete_character()
        self._ended = True
        self._segmenter.end()
        self._changed.set()

    def wake(self) -> None:
        """Recompute how long text may wait. Call this when a segment has ended."""
        self._changed.set()

    async def next(self) -> Segment | FlushMark | None:
        """Wait for the next segment or mark; return None at the end of the text."""
        while True:
            self._changed.clear()
            item = self._segmenter.next()
            if isinstance(item, SkippedText):
                await asyncio.sleep(0)
                continue
            if item is None and not self._ended:
                item = await self._wait()
            if item is not None:
                self._waiting_since = self._now()
            if item is not None or self._finished:
                return item

    @property
    def _finished(self) -> bool:
        return self._ended and not self._segmenter.has_text

    async def _wait(self) -> Segment | None:
        """Wait for a change; return an incomplete sentence if it must be spoken before."""
        try:
            await asyncio.wait_for(self._changed.wait(), self._max_wait_s())
        except TimeoutError:
            max_wait_s = self._max_wait_s()
            if max_wait_s is not None and max_wait_s <= 0:
                if segment := self._segmenter.next_early():
                    return segment
                await self._changed.wait()  # there is not even a complete word
        return None

    def _max_wait_s(self) -> float | None:
        """Seconds that the text may still wait; None for no limit."""
        underrun_at = self._underrun_at()
        if underrun_at is None or not self._segmenter.has_text:
            return None
        if self._segmenter.holds_sentences:
            underrun_at -= JOIN_LEAD_S
        return max(0.0, max(underrun_at, self._waiting_since) + self._max_delay_s - self._now())

    def _push(self, text: str) -> None:
        self._reserve(len(text))
        if not self._segmenter.has_text:
            self._waiting_since = self._now()
        self._segmenter.push(text)
        self._changed.set()

    def _reserve(self, characters: int) -> None:
        if self._ended:
            raise InvalidArgument("text", "must not follow the end")
        if characters > self._characters_left:
            raise InvalidArgument(
                "text", f"must be at most {self._max_characters} characters in all"
            )
        self._characters_left -= characters

    def _check_complete_character(self) -> None:
        if self._utf8.getstate()[0]:
            raise InvalidArgument("utf8", "ends in the middle of a character")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
