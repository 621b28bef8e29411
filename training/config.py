"""Constants shared by the training steps: speakers, token layout, windows, model sizes.

The configuration of the exported checkpoint is derived from this module: training and inference
use the same vocabularies and windows.
"""

from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_RATE = 24_000
FRAME_RATE = 75
FRAME_SAMPLES = SAMPLE_RATE // FRAME_RATE  # 320
SEMANTIC_RATE = 49.9
CODEBOOKS = 8
CODEBOOK_SIZE = 1024

# fmt: off
PHONES = (
    "pau", "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b", "ch", "d", "dh", "dx", "eh",
    "el", "em", "en", "er", "ey", "f", "g", "hh", "hv", "ih", "iy", "jh", "k", "l", "m", "n",
    "ng", "nx", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z",
    "zh",
)
# fmt: on
THIRDS = 3  # a semantic token is one third of a phone

CHARACTERS = "abcdefghijklmnopqrstuvwxyz.,?!'-"


@dataclass(frozen=True)
class Speaker:
    """One teacher voice, and its slice of codebook 0."""

    name: str
    first_code: int
    codes: int
    description: str


SPEAKERS = (
    Speaker("rms", 0, 512, "US man"),
    Speaker("slt", 512, 256, "US woman"),
    Speaker("awb", 768, 256, "Scottish man"),
)
# Speakers of the text shards, repeated. 60% are rms, the voice without a history.
SHARD_SPEAKERS = ("rms", "slt", "rms", "awb", "rms")


@dataclass(frozen=True)
class PitchClock:
    """Codebook 1: the pitch phase in `phases` steps, and its advance per frame.

    Code 0 is a pause. Otherwise code = 1 + (step - first_step) * phases + phase. The phase of the
    next frame is (phase + step) mod phases, so f0 is exactly `step * 75 / phases` Hz.
    """

    phases: int = 20
    first_step: int = 17  # 63.75 Hz
    steps: int = 51  # up to 251.25 Hz

    @property
    def codes(self) -> int:
        return 1 + self.phases * self.steps


@dataclass(frozen=True)
class SemanticLayout:
    """Ids of the semantic model: thirds of phones, EOS and padding, then text."""

    vocab_size: int = 160
    pad: int = 160
    text_offset: int = 168
    text_pad: int = 248
    infer: int = 249
    input_vocab: int = 250
    output_vocab: int = 161
    text_slot: int = 128
    max_new_tokens: int = 768


@dataclass(frozen=True)
class CoarseLayout:
    """Ids and windows of the coarse model."""

    semantic_vocab: int = 160
    pad: int = 160 + 2 * CODEBOOK_SIZE
    infer: int = 161 + 2 * CODEBOOK_SIZE
    vocab: int = 162 + 2 * CODEBOOK_SIZE
    semantic_window: int = 128
    history: int = 236  # floor(236 / ratio) = 78 semantic tokens = 234 codes: both even
    stride: int = 60

    @property
    def ratio(self) -> float:
        return FRAME_RATE / SEMANTIC_RATE * 2

    @property
    def semantic_history(self) -> int:
        return int(self.history / self.ratio)


@dataclass(frozen=True)
class FineLayout:
    """Windows of the fine model, and the number of codes in use from codebook 2 on."""

    window: int = 256
    history: int = 128
    pad: int = CODEBOOK_SIZE
    vocab: int = CODEBOOK_SIZE + 32
    residual_books: int = 2
    residual_codes: int = 256


@dataclass(frozen=True)
class TransformerSize:
    layers: int
    width: int
    heads: int
    block: int


SEMANTIC_SIZE = TransformerSize(layers=6, width=192, heads=3, block=1024)
COARSE_SIZE = TransformerSize(layers=4, width=192, heads=3, block=512)
FINE_SIZE = TransformerSize(layers=3, width=128, heads=2, block=256)


@dataclass(frozen=True)
class CodecSize:
    """Size of EnCodec's decoder; codebook vectors hold the cepstrum first, then the excitation."""

    filters: int = 16
    hidden: int = 64
    cepstrum: int = 24


@dataclass(frozen=True)
class Work:
    """Paths of the data and checkpoints of one training run."""

    root: Path = field(default_factory=lambda: Path("training-run"))

    @property
    def texts(self) -> Path:
        return self.root / "texts.txt"

    def shard(self, stage: str, index: int) -> Path:
        """Return the file of a shard; `stage` is teacher, features, codes or pronounced."""
        return self.root / stage / f"{index:03d}.npz"

    def shards(self, stage: str) -> list[Path]:
        return sorted((self.root / stage).glob("[0-9][0-9][0-9].npz"))

    def checkpoint(self, name: str) -> Path:
        return self.root / "checkpoints" / f"{name}.pt"


SHARD_TEXTS = 500


def shard_speaker(index: int) -> Speaker:
    """Return the speaker of shard `index`."""
    name = SHARD_SPEAKERS[index % len(SHARD_SPEAKERS)]
    return next(speaker for speaker in SPEAKERS if speaker.name == name)
