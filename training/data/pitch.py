"""The pitch clock: the pitch phase as codes, and speech warped to match them.

The teacher's vocoder emits a pulse when its accumulated phase is an integer, so the pitch track
determines the phase. The phase is quantized at every frame, and the speech is warped by at most a
few milliseconds until its pulses match. The decoder then knows the position of every pulse, and
for a language model the codes follow a clock: next phase = phase + step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE, PitchClock

TRACK_SAMPLES = SAMPLE_RATE // 200  # the teacher's pitch frames are 5 ms
LOWEST_F0 = 50.0  # lower values are rounding at the edge of a pause
PULL = 0.2  # share of the phase error that a step corrects
SLACK = 1.05  # a step changes only if the target differs by more than this


@dataclass(frozen=True)
class Clocked:
    """Speech warped to the pitch clock, and its codes."""

    wave: NDArray[np.float32]  # (samples,) warped
    codes: NDArray[np.int16]  # (frames,) codebook 1


def voiced_runs(f0: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the voiced ranges of pitch frames, [first, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], f0 >= LOWEST_F0, [0])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 2]


def run_phase(f0: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cycles since the first pulse, for each sample of a voiced run and its end.

    The vocoder interpolates the period, not the pitch, from one frame's value to the next.
    """
    period = SAMPLE_RATE / f0.astype(np.float64)
    before = np.concatenate((period[:1], period[:-1]))
    ramp = np.arange(TRACK_SAMPLES) / TRACK_SAMPLES
    periods = before[:, None] + (period - before)[:, None] * ramp
    return np.concatenate(([0.0], np.cumsum(1.0 / periods)))


def clock_steps(phase: NDArray[np.float64], clock: PitchClock) -> tuple[int, list[int]]:
    """Return the first phase and the steps that follow `phase`, given at frame boundaries."""
    first = round(phase[0] * clock.phases)
    position, previous, steps = float(first), -1.0, []
    wanted = (np.diff(phase) * clock.phases).tolist()
    for advance, true in zip(wanted, (phase[:-1] * clock.phases).tolist(), strict=True):
        target = advance - PULL * (position - true)
        if abs(target - previous) > SLACK:
            previous = float(round(target))
        previous = min(max(previous, clock.first_step), clock.first_step + clock.steps - 1)
        steps.append(int(previous))
        position += previous
    return first, steps


def _cubic(wave: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate `wave` at fractional samples (Catmull-Rom)."""
    padded = np.pad(wave, (1, 3))
    at = np.clip(at, 0, len(wave) - 1)
    whole = at.astype(np.int64)
    x = (at - whole).astype(np.float32)
    a, b, c, d = (padded[whole + offset] for offset in range(4))
    return b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))


def clocked(wave: NDArray[np.float32], f0: NDArray[np.float32], clock: PitchClock) -> Clocked:
    """Warp 24 kHz speech with its 5 ms pitch track to the pitch clock."""
    frames = len(wave) // FRAME_SAMPLES
    codes = np.zeros(frames, np.int16)
    knots: list[NDArray[np.float64]] = [np.array([0.0])]
    shifts: list[NDArray[np.float64]] = [np.array([0.0])]
    for first_track, end_track in voiced_runs(f0):
        phase = run_phase(f0[first_track:end_track])
        start = first_track * TRACK_SAMPLES
        first = -(-start // FRAME_SAMPLES)
        last = min((start + len(phase) - 1) // FRAME_SAMPLES, frames)
        if last - first < 2:
            continue
        boundaries = np.arange(first, last + 1) * FRAME_SAMPLES
        phase_first, steps = clock_steps(phase[boundaries - start], clock)
        marks = phase_first + np.concatenate(([0], np.cumsum(steps)))
        index = (np.array(steps) - clock.first_step) * clock.phases + marks[:-1] % clock.phases
        codes[first:last] = 1 + index
        samples = np.arange(boundaries[0], boundaries[-1])
        path = np.interp(samples, boundaries, marks / clock.phases)
        knots.append(samples.astype(np.float64))
        shifts.append(start + np.interp(path, phase, np.arange(len(phase))) - samples)
    knots.append(np.array([float(len(wave))]))
    shifts.append(np.array([0.0]))
    samples = np.arange(len(wave))
    shift = np.interp(samples, np.concatenate(knots), np.concatenate(shifts))
    return Clocked(_cubic(wave, samples + shift), codes)


def code_f0(codes: NDArray[np.int16], clock: PitchClock) -> NDArray[np.float64]:
    """Return the pitch in Hz of each frame of codebook 1, 0 in pauses."""
    steps = clock.first_step + (codes.astype(np.int64) - 1) // clock.phases
    return np.where(codes > 0, steps * FRAME_RATE / clock.phases, 0.0)
