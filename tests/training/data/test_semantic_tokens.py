"""Semantic tokens: phones, states, tones, and pauses of each speaker."""

import numpy as np
import pytest

from training.config import PAUSE, PHONES, SEMANTIC_VOCAB, SPEAKERS, STATES, TONES, VOWELS
from training.data.semantic_tokens import phone_runs, token_table

MANY = 500


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return phones, states and tones."""
    draw = np.random.default_rng(seed)
    return tuple(draw.integers(0, count, MANY) for count in (len(PHONES), STATES, TONES))


@pytest.mark.parametrize("speaker", range(len(SPEAKERS)))
def test_tokens_keep_phone_state_and_tone(speaker: int) -> None:
    phone, state, tone = drawn()
    table = token_table()
    tokens = table.encode(phone, state, tone, speaker)
    assert tokens.max() < SEMANTIC_VOCAB
    assert table.phone[tokens].tolist() == phone.tolist()
    assert table.state[tokens].tolist() == state.tolist()
    vowel = np.isin(phone, [PHONES.index(name) for name in VOWELS])
    assert table.tone[tokens].tolist() == np.where(vowel, tone, 0).tolist()


def test_only_pauses_tell_the_speaker() -> None:
    phone, state, tone = drawn()
    table = token_table()
    every = np.stack([table.encode(phone, state, tone, who) for who in range(len(SPEAKERS))])
    pause = phone == PHONES.index(PAUSE)
    assert ((every == every[0]).all(0) == ~pause).all()
    assert table.speaker[every[:, pause]].tolist() == [
        [who] * int(pause.sum()) for who in range(len(SPEAKERS))
    ]


def test_phone_runs_split_at_states_and_phones() -> None:
    b, m, pause = (PHONES.index(name) for name in ("b", "m", PAUSE))
    phone = np.array([pause, b, b, b, b, m, m, pause])
    state = np.array([0, 0, 1, 2, 0, 0, 0, 2])
    tokens = token_table().encode(phone, state, np.zeros(8, np.int64), 1)
    phones, index = phone_runs(tokens)
    assert phones.tolist() == [pause, b, b, m, pause]
    assert index.tolist() == [0, 1, 1, 1, 2, 3, 3, 4]
