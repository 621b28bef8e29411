"""Chooses how many tokens are drafted before the model checks them."""

from dataclasses import dataclass

_DRAFT_COST = 0.4
"""Time of a draft relative to a check, which reads four times the bytes."""

_WEIGHT = 0.05  # of the last draft in the average
_RECOVERY = 0.01  # of the distance to 1, per check without a draft
_FIRST_GUESS = 0.9


@dataclass
class DraftLength:
    """Follows how often drafts are right. Only the time depends on it, never a token.

    Attributes:
        most: most drafts before a check.
        accuracy: share of drafts that equal the model's token, averaged over the last ones.
    """

    most: int
    accuracy: float = _FIRST_GUESS

    @property
    def best(self) -> int:
        """The number of drafts with the most tokens in a given time; 0: drafts do not pay."""
        return max(range(self.most + 1), key=self._rate)

    def note(self, drafted: int, accepted: int) -> None:
        """Note a check.

        Args:
            drafted: number of drafts.
            accepted: number of drafts before the first wrong one.
        """
        if not drafted:  # try again some time
            self.accuracy += _RECOVERY * (1.0 - self.accuracy)
        for number in range(min(drafted, accepted + 1)):
            self.accuracy += _WEIGHT * ((number < accepted) - self.accuracy)

    def _rate(self, drafts: int) -> float:
        """Expected tokens in the time of one check: a check draws one more than it accepts."""
        tokens: float = sum(self.accuracy**number for number in range(drafts + 1))
        return tokens / (1.0 + drafts * _DRAFT_COST)
