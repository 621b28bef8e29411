"""An utterance at another pace is still one utterance."""

import numpy as np

from training.config import FRAME_RATE, SEMANTIC_RATE, PitchClock
from training.data.corpus import Spoken
from training.data.stretch import clock_again, stretched

CLOCK = PitchClock()


def code(step: int, phase: int) -> int:
    return 1 + (step - CLOCK.first_step) * CLOCK.phases + phase


def test_phases_follow_from_steps() -> None:
    codes = np.array([0, code(30, 5), code(31, 7), code(31, 7), 0, code(20, 3), code(20, 3)])
    expected = [0, code(30, 5), code(31, 15), code(31, 6), 0, code(20, 3), code(20, 3)]
    assert clock_again(codes, CLOCK).tolist() == expected


def test_the_same_phones_last_longer_or_shorter() -> None:
    semantic = np.repeat(np.arange(30), 3)
    frames = int(len(semantic) * FRAME_RATE / SEMANTIC_RATE)
    codes = np.stack([np.arange(frames), np.zeros(frames, int), np.arange(frames)], 1)
    made = stretched(Spoken("", semantic, codes), np.random.default_rng(0))
    assert (np.diff(made.semantic) >= 0).all()
    assert (np.diff(made.codes[:, 0]) >= 0).all()
    assert len(made.semantic) != len(semantic)
    assert abs(len(made.codes) - len(made.semantic) * FRAME_RATE / SEMANTIC_RATE) < 1
