"""When a stream's listener runs dry, as far as one stage can tell from what it has made itself.

Every stage hands on in the order of playing, so what it has made, in seconds of audio since its
first output, is the most that the listener can have. It is too much by what a later stage holds
back: the fine one up to a chunk, one reason why those have a limit. Knows no clock and no tokens'
meaning.
"""

from dataclasses import dataclass, field

FIRST_SOUND_S = 0.2
"""How long after it came a stream that has made nothing yet is due: who plays already, and would
run dry before that, goes first."""


@dataclass(eq=False)
class Playback:
    """One stream's output in one stage; shared by all sequences that the stream is made of.

    Attributes:
        rate: tokens a second of audio.
    """

    rate: float
    _began: float | None = field(default=None, init=False)
    _made: int = field(default=0, init=False)

    def hand_on(self, tokens: int, now: float) -> None:
        """So many more tokens are made."""
        if tokens and self._began is None:
            self._began = now
        self._made += tokens

    def due(self, now: float) -> float:
        """Until when the next output is wanted by somebody who asks now."""
        dry_at = self.dry_at
        return now + FIRST_SOUND_S if dry_at is None else dry_at

    @property
    def dry_at(self) -> float | None:
        """When a listener who began with the first token has heard the last; None before the
        first.
        """
        return None if self._began is None else self._began + self._made / self.rate
