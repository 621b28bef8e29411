"""Names that services share without importing each other."""

from enum import IntEnum
from typing import Literal, get_args

StageName = Literal["semantic", "coarse", "fine", "codec"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages, in the order in which the tokens pass them."""

NO_VOICE = "none"
"""The voice name that means no history prompt."""

MAX_NPZ_BYTES = 1 << 20
"""Size of the file of a voice."""
MAX_VOICE_BYTES = MAX_NPZ_BYTES + 1024
"""Size of the tokens or the file of a voice in a request."""
MAX_OPTIONS_BYTES = 65_536
"""Size of a request without its text and without such a voice."""


class DrawStream(IntEnum):
    """Separates the random draws of the stages under one seed.

    Changing a number changes every seeded utterance.
    """

    SEMANTIC = 1
    COARSE = 2
    FINE = 3
