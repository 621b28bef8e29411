"""Names that services must agree on without importing each other. Knows no numbers of any
checkpoint.
"""

from enum import IntEnum
from typing import Literal, get_args

StageName = Literal["semantic", "coarse", "fine", "codec"]
STAGES: tuple[StageName, ...] = get_args(StageName)

NO_VOICE = "none"
"""The voice name that means no history at all."""


class DrawStream(IntEnum):
    """Tells the stages' draws apart under one seed. Changing a number changes every seeded
    utterance.
    """

    SEMANTIC = 1
    COARSE = 2
    FINE = 3
