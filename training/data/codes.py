"""Learn codebook 0 and encode every utterance.

A code of codebook 0 implies the speaker, the phone and a coarse spectrum: the codes are divided
among the phones of each speaker, and those of a phone are a k-means of its cepstra. The semantic
token of a frame already determines the phone, so the coarse model rarely chooses a wrong one.
Codebook 1 is the pitch clock. The codec's decoder is trained on these codes afterwards.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.config import (
    CODEBOOK_SIZE,
    FRAME_RATE,
    PHONES,
    SEMANTIC_RATE,
    SPEAKERS,
    CodecSize,
    Speaker,
    Work,
    shard_speaker,
)
from training.data.semantic_tokens import token_table
from training.data.shards import load_shard, save_shard

LEARNED_SHARDS = 16  # per speaker
MIN_FRAMES = 40  # a phone with fewer gets no codes
DIMENSIONS = 4.0  # the distortion of n codes falls with n ** (-2 / DIMENSIONS)
ROUNDS = 30
OTHER_PHONE = 1e4  # distance of codes of other phones


def nearest(points: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    """Return the index of the nearest center of each point, (n,)."""
    half = centers.square().sum(1) / 2
    return torch.cat([(part @ centers.T - half).argmax(1) for part in torch.split(points, 20_000)])


def k_means(points: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return centers, (count, dimensions); a center without points moves to a random point."""
    centers = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(ROUNDS):
        index = nearest(points, centers)
        sums = torch.zeros_like(centers).index_add_(0, index, points)
        sizes = torch.bincount(index, minlength=count)
        fresh = points[torch.randint(len(points), (count,), generator=generator)]
        centers = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], fresh)
    return centers


@dataclass(frozen=True)
class Frames:
    """The frames of an utterance."""

    cepstra: torch.Tensor  # (frames, 32)
    clock: torch.Tensor  # (frames,) codebook 1
    phones: torch.Tensor  # (frames,) index into PHONES


def load_frames(path: Path) -> list[Frames]:
    """Load a shard of features; the phone of frame t is that of the time (t + 1) / 75."""
    features, table = load_shard(path), token_table()
    result = []
    for cepstra, clock, semantic in zip(
        *(features[name] for name in ("cepstrum", "clock", "semantic")), strict=True
    ):
        at = ((np.arange(len(clock)) + 1) * SEMANTIC_RATE / FRAME_RATE).astype(np.int64)
        tokens = semantic.astype(np.int64)[np.minimum(at, len(semantic) - 1)]
        result.append(
            Frames(
                torch.from_numpy(cepstra.astype(np.float32)),
                torch.from_numpy(clock.astype(np.int64)),
                torch.from_numpy(table.phone[tokens]),
            )
        )
    return result


def divided(distortions: torch.Tensor, count: int) -> list[int]:
    """Divide `count` codes among phones, given the distortion of each with one code.

    Each next code goes where it reduces the distortion most; phones without distortion get none.
    """
    codes = (distortions > 0).float()
    power = -2 / DIMENSIONS
    for _ in range(count - int(codes.sum())):
        gain = distortions * (codes.clamp(min=1) ** power - (codes + 1) ** power)
        codes[gain.argmax()] += 1
    return [int(one) for one in codes.tolist()]


@dataclass(frozen=True)
class Spectrum:
    """Codebook 0: vectors (1024, 32), and the phone of each code, (1024,)."""

    vectors: torch.Tensor
    phones: torch.Tensor

    def encode(self, frames: Frames, speaker: Speaker) -> torch.Tensor:
        """Return the nearest code of the speaker and phone of each frame, (frames,)."""
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        half = self.vectors[own].square().sum(1) / 2
        score = frames.cepstra @ self.vectors[own].T - half
        score -= OTHER_PHONE * (frames.phones[:, None] != self.phones[own])
        return score.argmax(1) + speaker.first_code

    def codes(self, frames: Frames, speaker: Speaker) -> torch.Tensor:
        """Return codebooks 0 and 1 of each frame, (frames, 2)."""
        return torch.stack((self.encode(frames, speaker), frames.clock), 1)


def learn_codes(
    frames: list[Frames], speaker: Speaker, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the vectors of a speaker's codes, (codes, 32), and the phone of each, (codes,)."""
    generator = torch.Generator().manual_seed(seed)
    cepstra = torch.cat([one.cepstra for one in frames])
    phones = torch.cat([one.phones for one in frames])
    parts = [cepstra[phones == phone] for phone in range(len(PHONES))]
    distortions = torch.tensor(
        [float((p - p.mean(0)).square().sum()) if len(p) >= MIN_FRAMES else 0.0 for p in parts]
    )
    vectors, phone_of_code, left = list[torch.Tensor](), list[int](), 0.0
    for phone, count in enumerate(divided(distortions, speaker.codes)):
        if count:
            centers = k_means(parts[phone], count, generator)
            rest = parts[phone] - centers[nearest(parts[phone], centers)]
            left += float(rest.square().sum())
            vectors.append(centers)
            phone_of_code += [phone] * count
    share = left / float((cepstra - cepstra.mean(0)).square().sum())
    print(f"{speaker.name}: {speaker.codes} codes leave {share:.1%}", flush=True)
    return torch.cat(vectors), torch.tensor(phone_of_code)


def learn_codebook(work: Work, seed: int) -> Spectrum:
    """Learn the codes of speakers that have none yet, from the first shards of each."""
    size = CodecSize().cepstrum
    spectrum = Spectrum(torch.zeros(CODEBOOK_SIZE, size), torch.zeros(CODEBOOK_SIZE).long())
    if work.codebook.exists():
        spectrum = load_codebook(work)
    for speaker in SPEAKERS:
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        paths = [p for p in work.shards("features") if shard_speaker(int(p.stem)) == speaker]
        frames = [one for path in paths[:LEARNED_SHARDS] for one in load_frames(path)]
        if frames and not spectrum.vectors[own].any():
            spectrum.vectors[own], spectrum.phones[own] = learn_codes(frames, speaker, seed)
    return spectrum


def load_codebook(work: Work) -> Spectrum:
    """Load codebook 0 of the work folder."""
    parts = torch.load(work.codebook, weights_only=True)
    return Spectrum(parts["vectors"], parts["phones"])


def encode_shard(work: Work, index: int, spectrum: Spectrum) -> None:
    """Write a shard of codes with its letters and semantic tokens, unless it exists."""
    if work.shard("codes", index).exists():
        return
    features = load_shard(work.shard("features", index))
    every, speaker = load_frames(work.shard("features", index)), shard_speaker(index)
    save_shard(
        work.shard("codes", index),
        text=features["text"],
        semantic=features["semantic"],
        codes=[spectrum.codes(one, speaker).to(torch.int16).numpy() for one in every],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(options.work)
    spectrum = learn_codebook(work, options.seed)
    torch.save({"vectors": spectrum.vectors, "phones": spectrum.phones}, work.codebook)
    for shard in work.shards("features"):
        encode_shard(work, int(shard.stem), spectrum)
        print(f"{shard.stem} encoded", flush=True)


if __name__ == "__main__":
    main()
