"""Names that services share without importing each other."""

from enum import IntEnum
from typing import Literal, get_args

StageName = Literal["semantic", "coarse", "fine", "codec"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages, in the order in which the tokens pass them."""

NO_VOICE = "none"
"""The voice name that means no history prompt."""


class DrawStream(IntEnum):
    """Separates the random draws of the stages under one seed.

    Changing a number changes every seeded utterance.
    """

    SEMANTIC = 1
    COARSE = 2
    FINE = 3
