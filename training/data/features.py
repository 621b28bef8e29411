"""Compute the features of the teacher's readings: cepstra, the pitch clock, semantic tokens.

Writes one .npz per shard. The first shards also keep their audio, for training the codec.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import (
    FRAME_RATE,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    SEMANTIC_RATE,
    SPEAKER_SHARDS,
    SPEAKERS,
    STATES,
    CodecSize,
    PitchClock,
    Speaker,
    Work,
    shard_speaker,
)
from training.data.boundaries import StateModels, Utterance, learned, state_ends
from training.data.cepstra import Cepstrum
from training.data.envelope import EnvelopeCepstrum
from training.data.pitch import Clocked, clocked, code_f0, pulse_phase, sine_phase
from training.data.reading import Reading
from training.data.semantic_tokens import token_table
from training.data.shards import load_shard, save_shard
from training.data.sound import Wave

LEAD = 0.06  # seconds of silence kept before the first phone
TAIL = 0.14  # and after the last
BOUNDARY_SHARDS = 6  # shards that the boundaries of phones are learned from


def token_frames(count: int) -> NDArray[np.int64]:
    """Return the frame whose cepstrum is nearest to the middle of each semantic token."""
    middle = (np.arange(count) + 0.5) / SEMANTIC_RATE
    return np.maximum(np.round(middle * FRAME_RATE).astype(np.int64) - 1, 0)


def tones(
    f0: NDArray[np.float64], states: NDArray[np.int64], speaker: Speaker
) -> NDArray[np.int64]:
    """Return the tone of each token: the class of the mean pitch of its state.

    Args:
        f0: (tokens,) Hz, 0 where unvoiced.
        states: (tokens,) index of the state that a token is part of.
        speaker: the speaker, whose tones are asked for.

    States without pitch have the tone of the previous state.
    """
    voiced = f0 > 0
    count = int(states[-1]) + 1
    sums = np.bincount(states, np.where(voiced, f0, 0), count)
    sizes = np.bincount(states, voiced, count)
    tone = np.searchsorted(speaker.tones, sums / np.maximum(sizes, 1))
    last = np.maximum.accumulate(np.where(sizes > 0, np.arange(count), 0))
    return tone[last][states]


def semantic_tokens(
    phones: NDArray[np.uint8], ends: NDArray[np.float64], clock: NDArray[np.int16], speaker: Speaker
) -> NDArray[np.uint16]:
    """Return semantic tokens: the phone, state and tone at the middle of each token.

    Args:
        phones: (phones,) index into PHONES.
        ends: (STATES * phones,) seconds.
        clock: (frames,) codebook 1.
        speaker: the speaker.
    """
    count = int(ends[-1] * SEMANTIC_RATE)
    times = (np.arange(count) + 0.5) / SEMANTIC_RATE
    index = np.minimum(np.searchsorted(ends, times, side="right"), len(ends) - 1)
    f0 = code_f0(clock, PitchClock())[np.minimum(token_frames(count), len(clock) - 1)]
    tone = tones(f0, np.cumsum(np.diff(index, prepend=index[0]) != 0), speaker)
    phone = phones[index // STATES].astype(np.int64)
    tokens = token_table().encode(phone, index % STATES, tone, SPEAKERS.index(speaker))
    return tokens.astype(np.uint16)


def utterance(
    cepstra: NDArray[np.float32], phones: NDArray[np.uint8], ends: NDArray[np.float32]
) -> Utterance:
    """Return the cepstra with the teacher's own boundaries, seconds, as frames."""
    # The cepstrum of frame t is that of the time (t + 1) / 75.
    frames = torch.from_numpy((ends * FRAME_RATE - 0.5).astype(np.float64)).round().long()
    frames[-1] = len(cepstra)
    index = torch.from_numpy(phones.astype(np.int64))
    return Utterance(torch.from_numpy(cepstra), index, frames.clamp(max=len(cepstra)))


def samples(wave: NDArray[np.int16]) -> Wave:
    return (wave / 32767).astype(np.float32)


class Shard:
    """A shard of the teacher's readings with cepstra at the frame rate."""

    def __init__(self, path: Path, cepstrum: Cepstrum) -> None:
        columns = load_shard(path)
        self.text = columns["text"]
        self.waves = [samples(wave.astype(np.int16)) for wave in columns["wave"]]
        self.pitch = [f0.astype(np.float32) for f0 in columns["f0"]]
        self.phones = [phones.astype(np.uint8) for phones in columns["phones"]]
        ends = [ends.astype(np.float32) for ends in columns["ends"]]
        rows = zip(map(cepstrum, self.waves), self.phones, ends, strict=True)
        self.utterances = [utterance(*row) for row in rows]


@dataclass(frozen=True)
class Features:
    """The features of one reading."""

    semantic: NDArray[np.uint16]  # (tokens,)
    speech: Clocked
    cepstra: NDArray[np.float32]  # (frames, 32) of the spectral envelope


def features(
    wave: Wave,
    f0: NDArray[np.float32],
    phones: NDArray[np.uint8],
    frames: torch.Tensor,
    speaker: Speaker,
) -> Features:
    """Return the features of a reading, without most of the silence at its edges.

    Args:
        wave: (samples,).
        f0: the teacher's pitch track.
        phones: (phones,) index into PHONES.
        frames: (STATES * phones,) the frame at which each state ends.
        speaker: the speaker.
    """
    ends = (frames.numpy() + 0.5) / FRAME_RATE
    kept = trimmed(wave, ends)
    phase = pulse_phase(f0) if speaker.teacher == "hibari" else sine_phase(f0)
    speech = clocked(wave[kept], phase[kept], PitchClock())
    times = np.clip(ends - kept.start / SAMPLE_RATE, 0, len(speech.wave) / SAMPLE_RATE)
    cepstra = EnvelopeCepstrum(CodecSize().cepstrum)
    return Features(
        semantic_tokens(phones, times, speech.codes, speaker),
        speech,
        cepstra(speech.wave, code_f0(speech.codes, PitchClock())),
    )


class ReadingFeatures:
    """Computes the features of single readings, with the boundaries learned for the shards."""

    def __init__(self, work: Work) -> None:
        self._work, self._cepstrum = work, Cepstrum(CodecSize().cepstrum)

    def of(self, reading: Reading, speaker: Speaker) -> Features:
        wave, phones = samples(reading.wave), reading.phones
        one = utterance(self._cepstrum(wave), phones.phones, phones.ends)
        frames = state_ends([one], state_models(self._work, speaker))[0]
        return features(wave, reading.f0, phones.phones, frames, speaker)


def trimmed(wave: Wave, ends: NDArray[np.float64]) -> slice:
    """Return the samples to keep, with short silences at the edges.

    Args:
        wave: (samples,).
        ends: (STATES * phones,) seconds; the first and the last phone are silences.
    """
    first = max(0, round((float(ends[STATES - 1]) - LEAD) * FRAME_RATE)) * FRAME_SAMPLES
    last = round((float(ends[-STATES - 1]) + TAIL) * FRAME_RATE) * FRAME_SAMPLES
    return slice(first, min(last, len(wave)))


def make_shard(work: Work, audio_shards: int, index: int) -> str:
    """Write the features of one shard, unless they exist; return a line for the log."""
    path = work.shard("features", index)
    if path.exists():
        return f"{path.name} exists"
    torch.set_num_threads(1)
    cepstrum = Cepstrum(CodecSize().cepstrum)
    shard = Shard(work.shard("teacher", index), cepstrum)
    moved = state_ends(shard.utterances, state_models(work, shard_speaker(index)))
    rows = zip(shard.waves, shard.pitch, shard.phones, moved, strict=True)
    made = [features(*row, shard_speaker(index)) for row in rows]
    waves = [one.speech.wave for one in made]
    columns: dict[str, list[NDArray[np.generic]]] = {
        "text": shard.text,
        "semantic": [one.semantic for one in made],
        "cepstrum": [one.cepstra.astype(np.float16) for one in made],
        "clock": [one.speech.codes for one in made],
    }
    if index % SPEAKER_SHARDS < audio_shards:
        columns["wave"] = [(w * 32767).clip(-32768, 32767).astype(np.int16) for w in waves]
    save_shard(path, **columns)
    return f"{path.name} {sum(map(len, columns['clock']))} frames"


def state_models(work: Work, speaker: Speaker) -> StateModels:
    """Learn the states of a speaker's phones, once; the result is kept in the work folder."""
    path = work.root / f"states-{speaker.name}.npz"
    if not path.exists():
        cepstrum = Cepstrum(CodecSize().cepstrum)
        paths = [p for p in work.shards("teacher") if shard_speaker(int(p.stem)) == speaker]
        some = [Shard(path, cepstrum) for path in paths[:BOUNDARY_SHARDS]]
        models = learned([one for shard in some for one in shard.utterances])
        np.savez(path, means=models.means.numpy(), variances=models.variances.numpy())
    with np.load(path) as data:
        return StateModels(torch.from_numpy(data["means"]), torch.from_numpy(data["variances"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument(
        "--audio-shards", type=int, default=40, help="shards to keep the audio of, per speaker"
    )
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    work = Work(options.work)
    indices = [int(path.stem) for path in work.shards("teacher")]
    for speaker in {shard_speaker(index) for index in indices}:
        state_models(work, speaker)
    with get_context("spawn").Pool(options.processes) as pool:
        job = partial(make_shard, work, options.audio_shards)
        for line in pool.imap(job, indices):
            print(line, flush=True)


if __name__ == "__main__":
    main()
