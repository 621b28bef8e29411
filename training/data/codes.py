"""Learn the codebooks and encode every utterance.

Codebook 0 is a k-means of the cepstra with one slice per speaker, so a history keeps its voice.
Codebook 1 is the pitch clock. Codebooks 2 and 3 encode the residual of codebook 0. The codec's
decoder is trained on these codes afterwards.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from training.config import SPEAKERS, FineLayout, Speaker, Work, shard_speaker
from training.data.teacher import load_shard, save_shard

SAMPLE = 150_000  # frames for learning a codebook
ROUNDS = 30


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


def sample_frames(work: Work, speaker: Speaker, generator: torch.Generator) -> torch.Tensor:
    """Return a sample of one speaker's cepstra, (n, 24)."""
    paths = [p for p in work.shards("features") if shard_speaker(int(p.stem)) == speaker][:4]
    parts = [torch.from_numpy(np.load(path)["cepstrum"]).float() for path in paths]
    frames = torch.cat(parts)
    return frames[torch.randperm(len(frames), generator=generator)[:SAMPLE]]


def learn_codebooks(work: Work, seed: int) -> dict[str, torch.Tensor]:
    """Learn codebook 0 by speaker, then two codebooks of the residual."""
    generator = torch.Generator().manual_seed(seed)
    fine, spectrum, residuals = FineLayout(), [], []
    for speaker in SPEAKERS:
        frames = sample_frames(work, speaker, generator)
        centers = k_means(frames, speaker.codes, generator)
        rest = frames - centers[nearest(frames, centers)]
        share = float(rest.square().sum() / (frames - frames.mean(0)).square().sum())
        print(f"{speaker.name}: {speaker.codes} codes leave {share:.1%}", flush=True)
        spectrum.append(centers)
        residuals.append(rest)
    books, rest = {"0": torch.cat(spectrum)}, torch.cat(residuals)
    for book in range(2, 2 + fine.residual_books):
        books[str(book)] = k_means(rest[:SAMPLE], fine.residual_codes, generator)
        rest = rest - books[str(book)][nearest(rest, books[str(book)])]
    return books


def encode(
    cepstrum: torch.Tensor, clock: torch.Tensor, speaker: Speaker, books: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Return the codes of codebooks 0 to 3, (frames, 4)."""
    own = books["0"][speaker.first_code : speaker.first_code + speaker.codes]
    index = nearest(cepstrum, own)
    codes, rest = [index + speaker.first_code, clock], cepstrum - own[index]
    for book in range(2, 2 + FineLayout().residual_books):
        index = nearest(rest, books[str(book)])
        rest = rest - books[str(book)][index]
        codes.append(index)
    return torch.stack(codes, 1)


def encode_shard(work: Work, index: int, books: dict[str, torch.Tensor]) -> None:
    """Write a shard of codes with its letters and semantic tokens, unless it exists."""
    if work.shard("codes", index).exists():
        return
    features = load_shard(work.shard("features", index))
    lengths = [len(clock) for clock in features["clock"]]
    cepstra = torch.from_numpy(np.concatenate(features["cepstrum"])).float()
    clocks = torch.from_numpy(np.concatenate(features["clock"])).long()
    codes = encode(cepstra, clocks, shard_speaker(index), books).to(torch.int16)
    save_shard(
        work.shard("codes", index),
        text=features["text"],
        semantic=features["semantic"],
        codes=[part.numpy() for part in torch.split(codes, lengths)],
    )


def load_codebooks(work: Work) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(v) for k, v in np.load(work.root / "codebooks.npz").items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(options.work)
    path = work.root / "codebooks.npz"
    if not path.exists():
        books = learn_codebooks(work, options.seed)
        np.savez(path, **{name: book.numpy() for name, book in books.items()})  # type: ignore[arg-type]
    books = load_codebooks(work)
    for shard in work.shards("features"):
        encode_shard(work, int(shard.stem), books)
        print(f"{shard.stem} encoded", flush=True)


if __name__ == "__main__":
    main()
