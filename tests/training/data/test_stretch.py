"""Changing the pace of an utterance."""

import numpy as np

from training.config import FRAME_RATE, SEMANTIC_RATE, PitchClock
from training.data.corpus import Spoken
from training.data.stretch import clock_again, stretched

CLOCK = PitchClock()


def code(step: int, phase: int) -> int:
    return 1 + (step - CLOCK.first_step) * CLOCK.phases + phase


def test_clock_again_derives_phases_from_steps() -> None:
    codes = np.array([0, code(30, 5), code(31, 7), code(31, 7), 0, code(20, 3), code(20, 3)])
    expected = [0, code(30, 5), code(31, 15), code(31, 6), 0, code(20, 3), code(20, 3)]
    assert clock_again(codes, CLOCK).tolist() == expected


def test_stretched_keeps_the_phones_and_changes_lengths() -> None:
    semantic = np.repeat(np.arange(30), 3)
    frames = int(len(semantic) * FRAME_RATE / SEMANTIC_RATE)
    codes = np.stack([np.arange(frames), np.zeros(frames, int), np.arange(frames)], 1)
    result = stretched(Spoken("", semantic, codes), np.random.default_rng(0))
    assert (np.diff(result.semantic) >= 0).all()
    assert (np.diff(result.codes[:, 0]) >= 0).all()
    assert len(result.semantic) != len(semantic)
    assert abs(len(result.codes) - len(result.semantic) * FRAME_RATE / SEMANTIC_RATE) < 1
