"""Train EnCodec's decoder and the vectors of its codebooks.

Bark only decodes, so the decoder is a vocoder: cepstra and pitch clock in, samples out. The clock
gives the position of each pulse, so the loss compares low harmonics with their phase and higher
frequencies by magnitude.
"""

from collections.abc import Iterator
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
    FineLayout,
    PitchClock,
    Work,
    shard_speaker,
)
from training.data.codes import load_codebooks
from training.data.features import mel_filters
from training.data.teacher import load_shard
from training.models.pretrained import adopt, codebooks
from training.train.loop import TrainOptions, parse_options, train

USED_BOOKS = 2 + FineLayout().residual_books
CROP = 60  # frames
BATCH = 4
HELD_BACK = 24  # utterances per speaker, for validation
SHARES = {
    "rms": 0.2,
    "slt": 0.5,
    "awb": 0.3,
}  # of the crops: most for the voice that is hardest to decode
CONTEXT = 6  # first frames of a crop, excluded from the loss: their past is missing

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
        upsampling_ratios=[8, 5, 4, 2],
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

    def start(self, books: dict[str, torch.Tensor]) -> None:
        """Initialize the vectors from the codebooks."""
        cepstrum = CodecSize().cepstrum
        with torch.no_grad():
            for name, vectors in books.items():
                self.book(int(name))[: len(vectors), :cepstrum] = vectors
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


class SpectralLoss(nn.Module):
    """Spectral distance of two signals: complex at low frequencies, magnitudes above."""

    mel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for size in (256, 512, 1024, 2048):
            self.register_buffer(f"window_{size}", torch.hann_window(size))
        self.register_buffer("mel", mel_filters(1025, 80, 30, 8200))

    def _transform(self, wave: torch.Tensor, size: int) -> torch.Tensor:
        window = getattr(self, f"window_{size}")
        spectrum = torch.stft(wave, size, size // 4, window=window, return_complex=True)
        # The teacher is silent above 8 kHz: one resolution suffices there.
        return spectrum if size == 512 else spectrum[:, : size * 8200 // SAMPLE_RATE + 1]

    def forward(self, made: torch.Tensor, true: torch.Tensor) -> dict[str, torch.Tensor]:
        magnitude = torch.zeros((), device=made.device)
        for size in (256, 512, 2048):
            a, b = self._transform(made, size).abs(), self._transform(true, size).abs()
            magnitude = magnitude + _distance(a, b) + 0.5 * (a - b).norm() / b.norm()
            if size == 2048:
                low = slice(4, 100)
                magnitude = magnitude + 1.5 * _distance(a[:, low], b[:, low])
                mel = self.mel[: a.shape[1]].T
                cepstral = _distance(mel @ a, mel @ b)
        low = slice(2, 1024 * 1600 // SAMPLE_RATE)
        a, b = self._transform(made, 1024)[:, low], self._transform(true, 1024)[:, low]
        phase = ((a - b).abs().sum((1, 2)) / (b.abs().sum((1, 2)) + 1.0)).mean()
        loss = magnitude + 2 * cepstral + 1.5 * phase
        return {"loss": loss, "mel": cepstral, "phase": phase}


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (torch.log(a + 0.02) - torch.log(b + 0.02)).abs().mean()


class Crops:
    """Random crops of utterances with their codes."""

    def __init__(self, paths: list[Path], work: Work, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._every: dict[str, list[tuple[Codes, Samples]]] = {name: [] for name in SHARES}
        for path in paths:
            codes = load_shard(work.shard("codes", int(path.stem)))["codes"]
            # In a packed shard only the first utterances have audio.
            pairs = zip(codes, load_shard(path)["wave"], strict=False)
            long = [pair for pair in pairs if len(pair[0]) > CROP]
            self._every[shard_speaker(int(path.stem)).name] += long

    def hold_back(self, count: int) -> "Crops":
        """Remove the first `count` utterances of each speaker and return them, for validation."""
        held = Crops([], Work(), 1)
        for name, pairs in self._every.items():
            held._every[name], self._every[name] = pairs[:count], pairs[count:]
        return held

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw codes (count, CROP, books) and samples (count, CROP * 320)."""
        codes, waves = [], []
        for name in self._random.choice(list(SHARES), count, p=list(SHARES.values())):
            row, wave = self._every[name][self._random.integers(len(self._every[name]))]
            first = self._random.integers(len(row) - CROP)
            codes.append(row[first : first + CROP])
            start = first * FRAME_SAMPLES
            waves.append(wave[start : start + CROP * FRAME_SAMPLES])
        return (
            torch.from_numpy(np.stack(codes).astype(np.int64)),
            torch.from_numpy(np.stack(waves).astype(np.float32) / 32768),
        )

    def book_counts(self, continued: bool) -> Iterator[int]:
        """Yield the number of codebooks to decode from, without end.

        Codebooks 2 and 3 of a checkpoint are calibrated to its fine model's choices, not to true
        codes. Training that continues from a checkpoint therefore uses 0 and 1 only.
        """
        shares = [1.0, 0.0, 0.0] if continued else [0.5, 0.1, 0.4]
        while True:
            yield int(self._random.choice([2, 3, USED_BOOKS], p=shares))


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
    paths = [p for p in work.shards("features") if "wave" in np.load(p).files]
    crops = Crops(paths, work, options.seed)
    held, codec = crops.hold_back(HELD_BACK), Codec()
    if options.start:
        codec.load(options.start)
    else:
        codec.start(load_codebooks(work))
    codec, judge = codec.to(options.device), SpectralLoss().to(options.device)
    counts, checks = crops.book_counts(bool(options.start)), [held.draw(8) for _ in range(4)]
    skip = CONTEXT * FRAME_SAMPLES

    def losses(codes: torch.Tensor, wave: torch.Tensor, books: int) -> dict[str, torch.Tensor]:
        made = codec(codes[..., :books].to(options.device))
        result: dict[str, torch.Tensor] = judge(made[:, skip:], wave[:, skip:].to(options.device))
        return result

    @torch.no_grad()
    def validate() -> dict[str, float]:
        report = {}
        for books in (2, USED_BOOKS):
            results = [losses(*check, books) for check in checks]
            for name in ("mel", "phase"):
                values = [result[name].item() for result in results]
                report[f"{name}{books}"] = sum(values) / len(values)
        return report

    train(
        options,
        codec,
        lambda _: losses(*crops.draw(BATCH * options.batch_scale), next(counts)),
        validate,
    )


def main() -> None:
    run(parse_options("codec", 30, 2e-3, betas=(0.8, 0.98), weight_decay=0.0))


if __name__ == "__main__":
    main()
