"""Learn codebook 0 and encode every utterance.

A code of codebook 0 implies the speaker, the phone and a coarse spectrum: the codes are divided
among the phones of each speaker, and those of a phone are a k-means of its cepstra. The semantic
token of a frame already determines the phone, so the coarse model rarely chooses a wrong one.
Codes are also chosen to be predictable: the cost of a code is its distortion plus its surprise
after the previous code (entropy-constrained vector quantization, Chou, Lookabaugh and Gray 1989).
Otherwise neighboring frames alternate between equally near codes, and a language model must guess.
Codebook 1 is the pitch clock. The codec's decoder is trained on these codes afterwards.
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
SURPRISE_WEIGHT = 5.0  # squared distance that one nat of surprise is worth
SURPRISE_ROUNDS = 3
PRIOR_COUNT = 3.0  # of the codes without their context, in the estimate of the next code


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
    """Codebook 0: vectors (1024, 32), the phone of each code (1024,), and surprises.

    `surprises[a, b]` is the negative log-probability, in nats, that code b follows code a.
    """

    vectors: torch.Tensor
    phones: torch.Tensor
    surprises: torch.Tensor

    @classmethod
    def empty(cls) -> "Spectrum":
        """Return a codebook of zeros."""
        size = CODEBOOK_SIZE
        vectors = torch.zeros(size, CodecSize().cepstrum)
        return cls(vectors, torch.zeros(size).long(), torch.zeros(size, size))

    def part(self, speaker: Speaker) -> "Spectrum":
        """Return the codes of one speaker."""
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        return Spectrum(self.vectors[own], self.phones[own], self.surprises[own, own])

    def encode(self, frames: Frames) -> torch.Tensor:
        """Return the best codes of an utterance, (frames,), each of the phone of its frame."""
        codes = [(self.phones == phone).nonzero()[:, 0] for phone in range(len(PHONES))]
        codes = [some if len(some) else torch.arange(len(self.phones)) for some in codes]
        distortion = self.vectors.square().sum(1) - 2 * frames.cepstra @ self.vectors.T
        distortions = distortion.double().numpy()  # sums of float32 would lose small differences
        weighted = (SURPRISE_WEIGHT * self.surprises).numpy()
        allowed = [codes[phone].numpy() for phone in frames.phones.tolist()]
        cost, before = distortions[0][allowed[0]], list[NDArray[np.int64]]()
        for frame in range(1, len(allowed)):
            step = cost[:, None] + weighted[np.ix_(allowed[frame - 1], allowed[frame])]
            before.append(step.argmin(0))
            cost = step.min(0) + distortions[frame][allowed[frame]]
        place = int(cost.argmin())
        places = [place]
        for choice in reversed(before):
            place = int(choice[place])
            places.append(place)
        path = zip(allowed, reversed(places), strict=True)
        return torch.tensor([int(some[place]) for some, place in path])

    def codes(self, frames: Frames, speaker: Speaker) -> torch.Tensor:
        """Return codebooks 0 and 1 of each frame, (frames, 2)."""
        spectral = self.part(speaker).encode(frames) + speaker.first_code
        return torch.stack((spectral, frames.clock), 1)


def surprises(codes: list[torch.Tensor], count: int) -> torch.Tensor:
    """Return how surprising each code is after each other, (count, count), given utterances."""
    pairs = torch.cat([one[:-1] * count + one[1:] for one in codes])
    follows = torch.bincount(pairs, minlength=count * count).view(count, count).double()
    alone = follows.sum(0) + 0.5
    share = PRIOR_COUNT * alone / alone.sum()
    return -((follows + share) / (follows.sum(1, keepdim=True) + PRIOR_COUNT)).log().float()


def predictable(book: Spectrum, frames: list[Frames]) -> Spectrum:
    """Return a codebook whose codes predict each other: vectors and surprises of its own codes."""
    count, cepstra = len(book.phones), torch.cat([one.cepstra for one in frames])
    for _ in range(1 + SURPRISE_ROUNDS):  # the first round has no surprises yet
        codes = [book.encode(one) for one in frames]
        index = torch.cat(codes)
        sizes = torch.bincount(index, minlength=count)[:, None]
        means = torch.zeros_like(book.vectors).index_add_(0, index, cepstra) / sizes.clamp(min=1)
        vectors = torch.where(sizes > 3, means, book.vectors)
        book = Spectrum(vectors, book.phones, surprises(codes, count))
    return book


def learn_codes(frames: list[Frames], speaker: Speaker, seed: int) -> Spectrum:
    """Return the codes of a speaker."""
    generator = torch.Generator().manual_seed(seed)
    cepstra = torch.cat([one.cepstra for one in frames])
    phones = torch.cat([one.phones for one in frames])
    parts = [cepstra[phones == phone] for phone in range(len(PHONES))]
    distortions = torch.tensor(
        [float((p - p.mean(0)).square().sum()) if len(p) >= MIN_FRAMES else 0.0 for p in parts]
    )
    vectors, phone_of_code = list[torch.Tensor](), list[int]()
    for phone, count in enumerate(divided(distortions, speaker.codes)):
        if count:
            vectors.append(k_means(parts[phone], count, generator))
            phone_of_code += [phone] * count
    unsurprising = torch.zeros(speaker.codes, speaker.codes)
    book = Spectrum(torch.cat(vectors), torch.tensor(phone_of_code), unsurprising)
    book = predictable(book, frames)
    total = float((cepstra - cepstra.mean(0)).square().sum())
    left = sum(float((f.cepstra - book.vectors[book.encode(f)]).square().sum()) for f in frames)
    print(f"{speaker.name}: {speaker.codes} codes leave {left / total:.1%}", flush=True)
    return book


def learn_codebook(work: Work, seed: int) -> Spectrum:
    """Learn the codes of speakers that have none yet, from the first shards of each."""
    spectrum = load_codebook(work) if work.codebook.exists() else Spectrum.empty()
    for speaker in SPEAKERS:
        paths = [p for p in work.shards("features") if shard_speaker(int(p.stem)) == speaker]
        frames = [one for path in paths[:LEARNED_SHARDS] for one in load_frames(path)]
        part = spectrum.part(speaker)
        if frames and not part.vectors.any():
            book = learn_codes(frames, speaker, seed)
            for old, new in zip(vars(part).values(), vars(book).values(), strict=True):
                old.copy_(new)
    return spectrum


def load_codebook(work: Work) -> Spectrum:
    """Load codebook 0 of the work folder."""
    parts = torch.load(work.codebook, weights_only=True)
    return Spectrum(parts["vectors"], parts["phones"], parts["surprises"].float())


def save_codebook(work: Work, spectrum: Spectrum) -> None:
    """Write codebook 0 to the work folder."""
    parts = dict(vars(spectrum)) | {"surprises": spectrum.surprises.half()}
    torch.save(parts, work.codebook)


def encode_shard(work: Work, index: int) -> str:
    """Write a shard of codes with its letters and semantic tokens, unless it exists."""
    path = work.shard("codes", index)
    if path.exists():
        return f"{path.name} exists"
    torch.set_num_threads(1)
    features, spectrum = load_shard(work.shard("features", index)), load_codebook(work)
    every, speaker = load_frames(work.shard("features", index)), shard_speaker(index)
    save_shard(
        path,
        text=features["text"],
        semantic=features["semantic"],
        codes=[spectrum.codes(one, speaker).to(torch.int16).numpy() for one in every],
    )
    return f"{path.name} encoded"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(options.work)
    save_codebook(work, learn_codebook(work, options.seed))
    indices = [int(path.stem) for path in work.shards("features")]
    with get_context("spawn").Pool(options.processes) as pool:
        for line in pool.imap(partial(encode_shard, work), indices):
            print(line, flush=True)


if __name__ == "__main__":
    main()
