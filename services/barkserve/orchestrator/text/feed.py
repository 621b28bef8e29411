"""One context's text, between the client that writes it and the chain that speaks it.

Knows when the listener has waited long enough for the end of a sentence; knows no messages and no
stages.
"""

import asyncio
import codecs
from collections.abc import Callable

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.segmenter import FlushMark, PassedOver, Segment, Segmenter

EARLY_S = 1.0
"""Whole sentences that wait to be joined leave so long before the listener would wait."""


class TextFeed:
    """Text in, at any time; pieces out, when they are asked for.

    Args:
        segmenter: cuts the text.
        underrun_at: returns the event loop's time at which the player has played all audio, None
            while a segment is being synthesized.
        max_characters: of all the text.
        max_delay_s: how long text may wait for its sentence to end once nothing is left to hear.
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
        self._left = self._max_characters = max_characters
        self._max_delay_s = max_delay_s
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._waits_from = 0.0  # when the oldest text that is still here came
        self._ended = False

    def push(self, text: str) -> None:
        """More text. Raises InvalidArgument if it is too much."""
        self._check_whole_character()
        self._push(text)

    def push_utf8(self, data: bytes) -> None:
        """More text as UTF-8, cut anywhere. Raises InvalidArgument if it is no UTF-8 or too
        much.
        """
        try:
            self._push(self._utf8.decode(data))
        except UnicodeDecodeError as error:
            raise InvalidArgument("utf8", f"is no UTF-8: {error.reason}") from None

    def flush(self, flush_id: str) -> None:
        """Speak all of it, then hand out a mark. Raises InvalidArgument if it is too much: a flush
        counts as a character.
        """
        self._take_room(1)
        self._segmenter.flush(flush_id)
        self._changed.set()

    def end(self) -> None:
        """There is no more. Raises InvalidArgument in the middle of a UTF-8 character."""
        self._check_whole_character()
        self._ended = True
        self._segmenter.end()
        self._changed.set()

    def wake(self) -> None:
        """Compute anew how long text may wait: a segment has ended."""
        self._changed.set()

    async def next(self) -> Segment | FlushMark | None:
        """The next piece or mark, once there is one; None when all of the text has been handed
        out.
        """
        while True:
            self._changed.clear()
            item = self._segmenter.next()
            if isinstance(item, PassedOver):
                await asyncio.sleep(0)
                continue
            if item is None and not self._ended:
                item = await self._more_or_hurry()
            if item is not None:
                self._waits_from = self._now()
            if item is not None or self._finished:
                return item

    @property
    def _finished(self) -> bool:
        return self._ended and not self._segmenter.waiting

    async def _more_or_hurry(self) -> Segment | None:
        """Wait until something has changed; a piece if the listener has waited long enough."""
        patience = self._patience()
        try:
            await asyncio.wait_for(self._changed.wait(), patience)
        except TimeoutError:
            left = self._patience()
            if left is not None and left <= 0 and (segment := self._segmenter.hurry()):
                return segment
            if left is not None and left <= 0:
                await self._changed.wait()  # not even a word is there
        return None

    def _patience(self) -> float | None:
        """Seconds that the text may wait; None for as long as it takes."""
        underrun_at = self._underrun_at()
        if underrun_at is None or not self._segmenter.waiting:
            return None
        if self._segmenter.holds_sentences:
            underrun_at -= EARLY_S
        return max(0.0, max(underrun_at, self._waits_from) + self._max_delay_s - self._now())

    def _push(self, text: str) -> None:
        self._take_room(len(text))
        if not self._segmenter.waiting:
            self._waits_from = self._now()
        self._segmenter.push(text)
        self._changed.set()

    def _take_room(self, characters: int) -> None:
        if self._ended:
            raise InvalidArgument("text", "must not follow the end")
        if characters > self._left:
            raise InvalidArgument(
                "text", f"must be at most {self._max_characters} characters in all"
            )
        self._left -= characters

    def _check_whole_character(self) -> None:
        if self._utf8.getstate()[0]:
            raise InvalidArgument("utf8", "ends in the middle of a character")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
