"""Semantic tokens: states of phones; those of vowels also have a tone.

Every utterance starts and ends with a pause, and each speaker has separate pause tokens: with a
history, they identify the speaker. A model of this size does not recognize speakers by the length
of their phones.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.config import PAUSE, PHONES, SEMANTIC_VOCAB, SPEAKERS, STATES, TONES, VOWELS

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class TokenTable:
    """What each token means, (SEMANTIC_VOCAB,) each; unused tokens are pauses."""

    phone: Tokens  # index into PHONES
    state: Tokens
    tone: Tokens  # 0 if the phone has none
    speaker: Tokens  # of a pause: index into SPEAKERS; else 0
    first: Tokens  # (phones,) first token of each phone; a pause's is the first speaker's

    def encode(self, phone: Tokens, state: Tokens, tone: Tokens, speaker: int) -> Tokens:
        """Return the tokens of phones, states and tones, which are ignored where there are none."""
        tones = np.array([TONES if name in VOWELS else 1 for name in PHONES])[phone]
        shift = np.where(phone == PHONES.index(PAUSE), speaker * STATES, 0)
        tokens: Tokens = self.first[phone] + shift + state * tones + np.minimum(tone, tones - 1)
        return tokens


@cache
def token_table() -> TokenTable:
    """Return the table; the pauses of all speakers come first."""
    rows = [
        (PHONES.index(PAUSE), state, 0, speaker)
        for speaker in range(len(SPEAKERS))
        for state in range(STATES)
    ]
    first = [0]
    for phone, name in enumerate(PHONES[1:], 1):
        first.append(len(rows))
        count = TONES if name in VOWELS else 1
        rows += [(phone, state, tone, 0) for state in range(STATES) for tone in range(count)]
    rows += [(PHONES.index(PAUSE), 0, 0, 0)] * (SEMANTIC_VOCAB - len(rows))
    phones, states, tones, speakers = np.array(rows, np.int64).T
    return TokenTable(phones, states, tones, speakers, np.array(first, np.int64))


def phone_runs(semantic: Tokens) -> tuple[Tokens, Tokens]:
    """Return the phones of semantic tokens of any speaker, and for each token its phone's index."""
    table = token_table()
    phone, state = table.phone[semantic], table.state[semantic]
    starts = np.ones(len(semantic), bool)
    starts[1:] = (phone[1:] != phone[:-1]) | (state[1:] < state[:-1])
    return phone[starts], np.cumsum(starts) - 1
