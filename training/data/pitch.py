"""The pitch clock: the pitch phase as codes, and speech warped to match them.

The teacher's source emits a pulse when its accumulated phase is an integer. The phase is quantized
at every frame, and the speech is warped by at most a few milliseconds until its pulses match. The
codes then determine the position of every pulse, and for a language model they follow a clock:
next phase = phase + step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE, PitchClock

TRACK_SAMPLES = 300  # the teacher's pitch frames are 12.5 ms
LOWEST_F0 = 40.0  # no pulses below; Kokoro's tracks have about 12 Hz in unvoiced sounds
SHORTEST = 3  # frames of a voiced run
PULL = 0.2  # share of the phase error that a step corrects
SLACK = 1.05  # a step changes only if the target differs by more than this


@dataclass(frozen=True)
class Clocked:
    """Speech warped to the pitch clock, and its codes."""

    wave: NDArray[np.float32]  # (samples,) warped
    codes: NDArray[np.int16]  # (frames,) codebook 1


def pulse_phase(f0: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cycles of hibari's source at each sample, negative where there are no pulses.

    The pitch is linear between the centers of its frames (hibari.dsp.pulses). The count goes on
    without pulses, at LOWEST_F0.
    """
    at = (np.arange(len(f0) * TRACK_SAMPLES) + 0.5) / TRACK_SAMPLES - 0.5
    pitch = np.interp(at, np.arange(len(f0)), f0.astype(np.float64))
    phase = np.cumsum(np.maximum(pitch, LOWEST_F0)) / SAMPLE_RATE
    return np.where(pitch > LOWEST_F0, phase, -1.0)


def sine_phase(f0: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cycles of Kokoro's source at each sample, negative where there are no pulses.

    The source is a sine whose phase is linear between the centers of frames (SineGen in Kokoro's
    istftnet.py). The count goes on without pulses.
    """
    at = (np.arange(len(f0) * TRACK_SAMPLES) + 0.5) / TRACK_SAMPLES - 0.5
    cycles = np.cumsum(np.maximum(f0.astype(np.float64), 0) / SAMPLE_RATE) * TRACK_SAMPLES
    phase = np.interp(at, np.arange(len(f0)), cycles)
    return np.where(np.repeat(f0 > LOWEST_F0, TRACK_SAMPLES), phase, -1.0)


def voiced_runs(phase: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the ranges of frames that have pulses at all their samples, [first, end)."""
    frames = len(phase) // FRAME_SAMPLES
    voiced = (phase[: frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES) >= 0).all(1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], voiced, [0])).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(a, b) for a, b in pairs if b - a >= SHORTEST]


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


def clocked(wave: NDArray[np.float32], phase: NDArray[np.float64], clock: PitchClock) -> Clocked:
    """Warp speech with the phase of its source, (samples,) each, to the pitch clock."""
    codes = np.zeros(len(wave) // FRAME_SAMPLES, np.int16)
    knots: list[NDArray[np.float64]] = [np.array([0.0])]
    shifts: list[NDArray[np.float64]] = [np.array([0.0])]
    for first, last in voiced_runs(phase):
        start = first * FRAME_SAMPLES
        boundaries = np.arange(start, last * FRAME_SAMPLES + 1, FRAME_SAMPLES)
        cycles = phase[start : boundaries[-1]]
        cycles = np.append(cycles, 2 * cycles[-1] - cycles[-2])
        phase_first, steps = clock_steps(cycles[boundaries - start], clock)
        marks = phase_first + np.concatenate(([0], np.cumsum(steps)))
        index = (np.array(steps) - clock.first_step) * clock.phases + marks[:-1] % clock.phases
        codes[first:last] = 1 + index
        samples = np.arange(boundaries[0], boundaries[-1])
        path = np.interp(samples, boundaries, marks / clock.phases)
        knots.append(samples.astype(np.float64))
        shifts.append(start + np.interp(path, cycles, np.arange(len(cycles))) - samples)
    knots.append(np.array([float(len(wave))]))
    shifts.append(np.array([0.0]))
    samples = np.arange(len(wave))
    shift = np.interp(samples, np.concatenate(knots), np.concatenate(shifts))
    return Clocked(_cubic(wave, samples + shift), codes)


def code_f0(codes: NDArray[np.int16], clock: PitchClock) -> NDArray[np.float64]:
    """Return the pitch in Hz of each frame of codebook 1, 0 in pauses."""
    steps = clock.first_step + (codes.astype(np.int64) - 1) // clock.phases
    return np.where(codes > 0, steps * FRAME_RATE / clock.phases, 0.0)
