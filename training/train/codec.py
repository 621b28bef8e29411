"""Train EnCodec's decoder and the vectors of its codebooks.

Bark only decodes, so the decoder is a vocoder: spectrum and pitch clock in, samples out. It learns
from spectral distances first, then also from discriminators.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import EncodecConfig, EncodecModel

from training.config import (
    CODEBOOK_SIZE,
    CODEBOOKS,
    FRAME_RATE,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    CodecSize,
    PitchClock,
    Work,
    shard_speaker,
)
from training.data.codes import Spectrum, load_codebook
from training.data.shards import load_shard
from training.models.pretrained import adopt, codebooks
from training.train.discriminators import ADVERSARIAL_WEIGHT, FEATURE_WEIGHT, Discriminators
from training.train.loop import TrainOptions, parse_options, train
from training.train.spectral_loss import SpectralLoss

USED_BOOKS = 2
CROP = 60  # frames
BATCH = 4
HELD_BACK = 24  # utterances per speaker, for validation
SHARES = {"heart": 0.5, "michael": 0.25, "emma": 0.25}  # of the crops, if all have audio
CONTEXT = 6  # first frames of a crop, excluded from the loss: their past is missing
ADVERSARIAL_STEP = 2500  # first step with discriminators

Codes = NDArray[np.generic]
Samples = NDArray[np.generic]


def codec_config() -> EncodecConfig:
    """Return EnCodec's 24 kHz configuration at bark-mini's size."""
    size = CodecSize()
    return EncodecConfig(
        target_bandwidths=[6.0],
        sampling_rate=SAMPLE_RATE,
        audio_channels=1,
        hidden_size=size.hidden,
        codebook_dim=size.hidden,
        codebook_size=CODEBOOK_SIZE,
        num_filters=size.filters,
        num_residual_layers=1,
        upsampling_ratios=list(size.ratios),
    )


def clock_vectors(clock: PitchClock, count: int) -> torch.Tensor:
    """Return initial vectors of codebook 1, (1024, count): pitch and phase as circles."""
    code = torch.arange(CODEBOOK_SIZE)
    step = (clock.first_step + (code - 1) // clock.phases).float()
    angle = 2 * torch.pi * ((code - 1) % clock.phases) / clock.phases
    place = torch.log2(step * FRAME_RATE / clock.phases / 64) / 2
    columns = [torch.ones(CODEBOOK_SIZE), place]
    for harmonic in range(1, 5):
        columns += [torch.cos(harmonic * angle), torch.sin(harmonic * angle)]
    bumps = (count - len(columns)) // 2
    for center in torch.linspace(0, 1, bumps):
        bump = torch.exp(-0.5 * ((place - center) * bumps).square())
        columns += [bump * torch.cos(angle), bump * torch.sin(angle)]
    vectors = torch.stack(columns, 1)
    vectors[0] = 0
    vectors[clock.codes :] = 0
    return vectors


class Codec(nn.Module):
    """The codebooks in use and the decoder, in the layout of EncodecModel."""

    def __init__(self) -> None:
        super().__init__()
        size = CodecSize()
        self.books = nn.ParameterList(
            torch.zeros(CODEBOOK_SIZE, size.hidden) for _ in range(USED_BOOKS)
        )
        self.decoder = EncodecModel(codec_config()).decoder

    def start(self, spectrum: Spectrum) -> None:
        """Initialize the vectors from codebook 0 and the pitch clock."""
        cepstrum = CodecSize().cepstrum
        with torch.no_grad():
            self.book(0)[:, :cepstrum] = spectrum.vectors
            rest = CodecSize().hidden - cepstrum
            self.book(1)[:, cepstrum:] = clock_vectors(PitchClock(), rest)

    def load(self, folder: Path) -> None:
        """Load the decoder and the vectors of a checkpoint."""
        adopt(self.decoder, folder, "codec_model.decoder")
        with torch.no_grad():
            for index, vectors in enumerate(codebooks(folder, USED_BOOKS)):
                self.book(index).copy_(vectors)

    def book(self, index: int) -> torch.Tensor:
        """Return the vectors of a codebook, (1024, hidden)."""
        vectors = self.books[index]
        assert isinstance(vectors, torch.Tensor)
        return vectors

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Decode codes (batch, frames, books) to samples (batch, frames * 320)."""
        hidden = sum(self.book(i)[codes[..., i]] for i in range(codes.shape[-1]))
        assert isinstance(hidden, torch.Tensor)
        audio: torch.Tensor = self.decoder(hidden.transpose(1, 2))
        return audio[:, 0]


class Crops:
    """Random crops of utterances with their codes.

    Args:
        shards: pairs of files with codes and with audio.
        seed: seed of all draws.
    """

    def __init__(self, shards: list[tuple[Path, Path]], seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._every: dict[str, list[tuple[Codes, Samples]]] = {name: [] for name in SHARES}
        for coded, path in shards:
            codes = load_shard(coded)["codes"]
            # In a packed shard only the first utterances have audio.
            pairs = zip(codes, load_shard(path)["wave"], strict=False)
            long = [pair for pair in pairs if len(pair[0]) > CROP]
            self._every[shard_speaker(int(path.stem)).name] += long

    def hold_back(self, count: int) -> "Crops":
        """Remove the first `count` utterances of each speaker and return them, for validation."""
        held = Crops([], 1)
        for name, pairs in self._every.items():
            held._every[name], self._every[name] = pairs[:count], pairs[count:]
        return held

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw codes (count, CROP, books) and samples (count, CROP * 320)."""
        codes, waves = [], []
        names = [name for name, pairs in self._every.items() if pairs]
        shares = np.array([SHARES[name] for name in names])
        for name in self._random.choice(names, count, p=shares / shares.sum()):
            row, wave = self._every[name][self._random.integers(len(self._every[name]))]
            first = self._random.integers(len(row) - CROP)
            codes.append(row[first : first + CROP])
            start = first * FRAME_SAMPLES
            waves.append(wave[start : start + CROP * FRAME_SAMPLES])
        return (
            torch.from_numpy(np.stack(codes).astype(np.int64)),
            torch.from_numpy(np.stack(waves).astype(np.float32) / 32768),
        )


def coded_audio(work: Work) -> list[tuple[Path, Path]]:
    """Return the files with codes and with audio: draws of the speakers that have any."""
    drawn = {shard_speaker(int(path.stem)) for path in work.shards("draws")}
    result = []
    for path in work.shards("features"):
        index = int(path.stem)
        coded = work.shard("draws" if shard_speaker(index) in drawn else "codes", index)
        if coded.exists() and "wave" in np.load(path).files:
            result.append((coded, path))
    return result


def to_encodec(codec: Codec) -> EncodecModel:
    """Return an EncodecModel with the trained decoder; its encoder is untrained."""
    torch.manual_seed(0)
    model = EncodecModel(codec_config())
    model.decoder.load_state_dict(codec.decoder.state_dict())
    state = model.state_dict()
    for index in range(CODEBOOKS):
        vectors = codec.book(index) if index < USED_BOOKS else torch.zeros(())
        state[f"quantizer.layers.{index}.codebook.embed"].copy_(vectors.detach())
    return model


def run(options: TrainOptions) -> None:
    """Train on the shards that have audio."""
    work = options.work
    crops = Crops(coded_audio(work), options.data_seed())
    held, codec = crops.hold_back(HELD_BACK), Codec()
    if options.start:
        codec.load(options.start)
    else:
        codec.start(load_codebook(work))
    codec, distance = codec.to(options.device), SpectralLoss().to(options.device)
    discriminators, state = Discriminators(options.device), work.checkpoint("discriminators")
    discriminators.load(state)
    checks = [held.draw(8) for _ in range(4)]
    skip = CONTEXT * FRAME_SAMPLES

    def decoded(codes: torch.Tensor, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = codec(codes.to(options.device))
        return made[:, skip:], wave[:, skip:].to(options.device)

    def step(count: int) -> dict[str, torch.Tensor]:
        made, true = decoded(*crops.draw(BATCH * options.batch_scale))
        losses: dict[str, torch.Tensor] = distance(made, true)
        if count < ADVERSARIAL_STEP:
            return {"loss": losses["spectral"], **losses}
        trained = discriminators.train_step(made, true)
        losses |= discriminators.generator_losses(made, true)
        loss = losses["spectral"] + FEATURE_WEIGHT * losses["features"]
        loss = loss + ADVERSARIAL_WEIGHT * losses["adversarial"]
        return {"loss": loss, **losses, "discriminators": trained}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        results = [distance(*decoded(*check)) for check in checks]
        return {n: sum(r[n].item() for r in results) / len(results) for n in ("mel", "phase")}

    train(options, codec, step, validate, lambda: discriminators.save(state))


def main() -> None:
    run(parse_options("codec", 30, 2e-3, betas=(0.8, 0.98), weight_decay=0.0))


if __name__ == "__main__":
    main()
