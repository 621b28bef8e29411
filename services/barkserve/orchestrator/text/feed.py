"""The text of one session, between the client that writes it and the synthesis that reads it.

The feed decides when incomplete sentences must be spoken because the player is about to underrun.
"""

import asyncio
import codecs
from collections.abc import Callable

from barkserve.errors import IdleTimeout, InvalidArgument
from barkserve.orchestrator.text.markup.items import Pause
from barkserve.orchestrator.text.segment import Segment
from barkserve.orchestrator.text.segmenter import Part, Segmenter, SkippedText

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
        max_pending_flushes: the limit of flushes that are not done.
        idle_s: how long there may be nothing to speak before `next` fails; 0 for no limit.
            count: called with the number of characters before text is taken; may refuse it.

    Attributes:
        speakable: whether there was any text that is not blank.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        underrun_at: Callable[[], float | None],
        max_characters: int,
        max_delay_s: float,
        *,
        max_pending_flushes: int,
        idle_s: float,
        count: Callable[[int], None],
    ) -> None:
        self._segmenter = segmenter
        self._underrun_at = underrun_at
        self._changed = asyncio.Event()
        self._characters_left = self._max_characters = max_characters
        self._max_delay_s = max_delay_s
        self._max_pending_flushes = max_pending_flushes
        self._idle_s = idle_s
        self._count = count
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._waiting_since = 0.0  # arrival of the oldest text that has not been returned
        self._active_at = self._now()  # arrival of the last text or flush
        self._pending_flushes = 0
        self._ended = False
        self.speakable = False

    @property
    def characters(self) -> int:
        """Characters of all text so far. A flush counts as one."""
        return self._max_characters - self._characters_left

    def push(self, text: str) -> None:
        """Add text.

        Raises:
            InvalidArgument: the text has ended, or is too long.
            Overloaded: the caller has sent too much text.
        """
        self._check_complete_character()
        self._push(text)

    def push_utf8(self, data: bytes) -> None:
        """Add text as UTF-8; a character may continue in the next call.

        Raises:
            InvalidArgument: the bytes are not UTF-8, or the text has ended or is too long.
            Overloaded: the caller has sent too much text.
        """
        try:
            self._push(self._utf8.decode(data))
        except UnicodeDecodeError as error:
            raise InvalidArgument("utf8", f"is not valid UTF-8: {error.reason}") from None

    def flush(self, flush_id: str) -> None:
        """Request that all text so far is spoken, followed by a mark.

        Raises:
            InvalidArgument: the text has ended, or is too long, or too many flushes are pending.
                A flush counts as a character.
            Overloaded: the caller has sent too much text.
        """
        if self._pending_flushes >= self._max_pending_flushes:
            raise InvalidArgument(
                "flush",
                f"{self._pending_flushes} flushes are pending, which is the limit of a context: "
                "wait for flush_done, or raise --max-pending-flushes",
            )
        self._reserve(1)
        self._pending_flushes += 1
        self._segmenter.flush(flush_id)
        self._changed.set()

    def flush_done(self) -> None:
        """Count a flush as done. Call this once the client has been sent `flush_done`."""
        self._pending_flushes -= 1

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

    async def next(self) -> Part | None:
        """Wait for the next part; return None at the end of the text.

        Raises:
            InvalidArgument: the markup is wrong, or there are too many pauses, or the text ended
                before a segment that was spoken before.
            IdleTimeout: for too long there was nothing to speak and nothing arrived.
        """
        while True:
            self._changed.clear()
            item = self._segmenter.next()
            if isinstance(item, SkippedText):
                await asyncio.sleep(0)
                continue
            if item is None and self._ended and self._segmenter.lacks_text:
                raise InvalidArgument("resume.segments", "must be parts of the text")
            if item is None and not self._ended:
                item = await self._wait()
            if item is not None:
                self._waiting_since = self._now()
            if item is not None or self._finished:
                return item

    @property
    def _finished(self) -> bool:
        return self._ended and not self._segmenter.has_text

    async def _wait(self) -> Segment | Pause | None:
        """Wait for a change; return an incomplete sentence if it must be spoken before."""
        max_wait_s = self._max_wait_s()
        if max_wait_s is not None:
            if await self._changes_within(max_wait_s):
                return None
            max_wait_s = self._max_wait_s()
            if max_wait_s is None or max_wait_s > 0:
                return None  # audio was sent meanwhile
            if part := self._segmenter.next_early():
                return part
        await self._wait_idle()  # there is not even a complete word
        return None

    async def _wait_idle(self) -> None:
        """Wait for a change while there is nothing to speak."""
        while not await self._changes_within(self._idle_left_s()):
            left_s = self._idle_left_s()  # again, because audio may have been sent meanwhile
            if left_s is not None and left_s <= 0:
                raise IdleTimeout(
                    f"the context had nothing to speak for {self._idle_s:g} s: open "
                    "a context when there is text, end it after the text, or raise "
                    "--context-idle-seconds"
                )

    async def _changes_within(self, seconds: float | None) -> bool:
        """Wait for a change, at most this long; None for no limit. Returns whether it came."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _idle_left_s(self) -> float | None:
        """Seconds until the context has been idle for too long; None for no limit."""
        underrun_at = self._underrun_at()
        if underrun_at is None or not self._idle_s:
            return None
        idle_since = max(underrun_at, self._active_at)
        return max(0.0, idle_since + self._idle_s - self._now())

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
        self.speakable = self.speakable or (bool(text) and not text.isspace())
        self._changed.set()

    def _reserve(self, characters: int) -> None:
        if self._ended:
            raise InvalidArgument("text", "must not follow the end")
        if characters > self._characters_left:
            raise InvalidArgument(
                "text", f"must be at most {self._max_characters} characters in all"
            )
        self._count(characters)
        self._characters_left -= characters
        self._active_at = self._now()

    def _check_complete_character(self) -> None:
        if self._utf8.getstate()[0]:
            raise InvalidArgument("utf8", "ends in the middle of a character")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
