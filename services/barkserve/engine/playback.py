"""Playback deadlines: when a stream's player underruns, estimated by one stage.

A stage outputs audio in playing order. The audio it has made since its first output is an upper
bound of what the player has buffered. The bound is too high by what later stages hold back (in fine
up to one chunk).
"""

from dataclasses import dataclass, field

FIRST_AUDIO_S = 0.2
"""Deadline of a stream's first output, counted from its arrival. Streams that already play and
would underrun before that go first."""


@dataclass(eq=False)
class Playback:
    """The output of one stream in one stage, shared by all requests of the stream.

    Attributes:
        rate: tokens that are played per second.
        started_at: monotonic time of the first token, s; None: no output yet.
        tokens: number of tokens so far.
    """

    rate: float
    started_at: float | None = field(default=None, init=False)
    tokens: int = field(default=0, init=False)

    def publish(self, tokens: int, now: float) -> None:
        """Count more tokens as output."""
        if tokens and self.started_at is None:
            self.started_at = now
        self.tokens += tokens

    def deadline(self, now: float) -> float:
        """Return when the next output is needed, for a job that arrives now."""
        underrun_at = self.underrun_at
        return now + FIRST_AUDIO_S if underrun_at is None else underrun_at

    @property
    def underrun_at(self) -> float | None:
        """When a player that started with the first token has played all; None before that."""
        return None if self.started_at is None else self.started_at + self.tokens / self.rate
