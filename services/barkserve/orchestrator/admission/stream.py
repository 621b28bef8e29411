"""An accepted stream: whose it is, and how much of its audio is still to be made."""

from dataclasses import dataclass

SECONDS_PER_CHARACTER = 1 / 14
"""Speech per character of text, an average of European languages. Used for forecasts only."""

_MEASURABLE_S = 1.0


@dataclass(eq=False)
class Stream:
    """One text or context.

    Attributes:
        caller: the caller's name.
        characters: of its text so far.
        made_s: seconds of the models' speech sent so far.
        accepted_at: when it was accepted, in seconds.
        resumed: whether it continues a cut stream.
        speaking_rate: seconds of the models' speech that it plays per second.
    """

    caller: str
    characters: int = 0
    made_s: float = 0.0
    accepted_at: float = 0.0
    resumed: bool = False
    speaking_rate: float = 1.0

    @property
    def extra_load(self) -> float:
        """What it needs beyond one stream of normal speed. A slow stream still needs a slot."""
        return max(0.0, self.speaking_rate - 1)

    @property
    def left_s(self) -> float:
        """Estimated seconds of audio that it was asked for and has not sent."""
        return max(0.0, self.characters * SECONDS_PER_CHARACTER - self.made_s)

    def ends_in_s(self, now: float, share_of_rate: float) -> float:
        """Estimated seconds until its audio is made.

        Args:
            now: the time in seconds.
            share_of_rate: seconds of audio per second that it should get. A stream whose client
                reads slowly gets less, so the speed observed so far counts if it is lower.
        """
        elapsed_s, speed = now - self.accepted_at, share_of_rate
        if self.made_s > 0 and elapsed_s >= _MEASURABLE_S:
            speed = min(speed, self.made_s / elapsed_s)
        return self.left_s / max(speed, 1e-3)
