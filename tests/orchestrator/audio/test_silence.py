"""Trimming of silence after the last sound, for any split of the samples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from barkserve.orchestrator.audio.silence import HANGOVER, SilenceTrimmer

RATE = 24_000
FRAME = 320
RANDOM = np.random.default_rng(0)
LEVELS = {"sound": 0.2, "murmur": 0.004, "hiss": 0.0005, "nothing": 0.0}
PARTS = st.lists(st.tuples(st.sampled_from(sorted(LEVELS)), st.integers(1, 40)))


def samples(*parts: tuple[str, int]) -> np.ndarray:
    """Noise: for each part, a level and a number of frames."""
    levels = np.concatenate([np.full(count * FRAME, LEVELS[kind]) for kind, count in parts])
    return (levels * RANDOM.standard_normal(len(levels))).astype(np.float32)


def trimmed(whole: np.ndarray, keep: float | None, cuts: list[int]) -> list[np.ndarray]:
    trimmer = SilenceTrimmer(RATE, FRAME, keep)
    parts = [trimmer.push(part) for part in np.split(whole, sorted(cuts))]
    return [*parts, trimmer.flush()]


def kept(whole: np.ndarray, keep: float | None) -> int:
    return sum(map(len, trimmed(whole, keep, [])))


def test_trimmer_cuts_long_silence_and_keeps_pauses() -> None:
    speech = [("hiss", 20), ("sound", 30), ("hiss", 90), ("sound", 10)]
    sounding = (150 + HANGOVER) * FRAME
    whole = samples(*speech, ("hiss", 100))
    assert kept(whole, 0.0) == sounding
    assert kept(whole, 0.5) == sounding + RATE // 2
    assert kept(whole, 10.0) == kept(whole, None) == len(whole)


def test_trimmer_compares_frames_with_the_loudest() -> None:
    assert kept(samples(("sound", 20), ("murmur", 50)), 0.0) == (20 + 50) * FRAME
    loud = samples(("sound", 20), ("murmur", 50)) * np.repeat([4, 0.4], [20 * FRAME, 50 * FRAME])
    assert kept(loud.astype(np.float32), 0.0) == (20 + HANGOVER) * FRAME


def test_trimmer_detects_sound_but_not_clicks() -> None:
    for whole, has_sound in (
        (samples(("hiss", 50)), False),
        (samples(("hiss", 9), ("sound", 2), ("hiss", 50)), False),
        (samples(("hiss", 9), ("sound", 3), ("hiss", 50)), True),
    ):
        trimmer = SilenceTrimmer(RATE, FRAME, 0.1)
        trimmer.push(whole)
        assert trimmer.has_sound is has_sound
    assert kept(samples(("hiss", 50)), 0.1) == RATE // 10
    assert kept(np.zeros(0, dtype=np.float32), 0.1) == 0


@settings(deadline=None)
@given(PARTS, st.sampled_from([0.0, 0.1, None]), st.lists(st.integers(0, 20_000), max_size=6))
def test_trimmer_output_is_the_same_for_any_split(
    parts: list[tuple[str, int]], keep: float | None, cuts: list[int]
) -> None:
    whole = samples(*parts, ("hiss", 1))[:-77]  # ends inside a frame
    out = np.concatenate(trimmed(whole, keep, [min(cut, len(whole)) for cut in cuts]))
    np.testing.assert_array_equal(out, whole[: kept(whole, keep)])


@given(PARTS, st.lists(st.integers(0, 60), max_size=6))
def test_trimmer_never_holds_sound(parts: list[tuple[str, int]], cuts: list[int]) -> None:
    whole = samples(*parts, ("hiss", 1))
    cuts = sorted(min(cut * FRAME, len(whole)) for cut in cuts)
    sent = 0
    for end, part in zip(cuts, trimmed(whole, 0.0, cuts), strict=False):
        sent += len(part)
        loud = np.flatnonzero(np.abs(whole[:end]) > 0.1)
        assert sent > loud[-1] if len(loud) else True
