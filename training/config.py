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

PAUSE = "pau"
CONSONANTS = tuple("bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθTʔ")
VOWELS = tuple("AIOQWYaiuæɑɒɐɔəɛɜɪʊʌᵊᵻ")
PHONES = (PAUSE, *CONSONANTS, *VOWELS)
"""The phones of hibari and Kokoro (misaki's alphabet), without marks of stress and length."""
STATES = 3  # of each phone; a semantic token is a state
TONES = 5  # of each state of a vowel: classes of its pitch

CHARACTERS = "abcdefghijklmnopqrstuvwxyz.,?!'-"


@dataclass(frozen=True)
class Speaker:
    """One teacher voice, its slice of codebook 0, and the pitch in Hz between its tones.

    `teacher` is hibari, or the name of a voice of Kokoro.
    """

    name: str
    teacher: str
    first_code: int
    codes: int
    tones: tuple[float, float, float, float]
    description: str


SPEAKERS = (
    Speaker("heart", "hibari", 0, 640, (160.0, 181.0, 204.0, 240.0), "US woman"),
    Speaker("michael", "am_michael", 640, 192, (90.0, 105.0, 120.0, 140.0), "US man"),
    Speaker("emma", "bf_emma", 832, 192, (150.0, 180.0, 205.0, 240.0), "British woman"),
)
SPEAKER_SHARDS = 1000  # shards 0 to 999 are the first speaker's, and so on


@dataclass(frozen=True)
class PitchClock:
    """Codebook 1: the pitch phase in `phases` steps, and its advance per frame.

    Code 0 is a pause. Otherwise code = 1 + (step - first_step) * phases + phase. The phase of the
    next frame is (phase + step) mod phases, so f0 is exactly `step * 75 / phases` Hz.
    """

    phases: int = 14
    first_step: int = 13  # 69.6 Hz
    steps: int = 73  # up to 455 Hz

    @property
    def codes(self) -> int:
        return 1 + self.phases * self.steps


SEMANTIC_VOCAB = 424  # data.semantic_tokens.TokenTable uses 420 of them


@dataclass(frozen=True)
class SemanticLayout:
    """Ids of the semantic model: states of phones, EOS and padding, then text."""

    vocab_size: int = SEMANTIC_VOCAB
    pad: int = SEMANTIC_VOCAB
    text_offset: int = SEMANTIC_VOCAB + 8
    text_pad: int = SEMANTIC_VOCAB + 88
    infer: int = SEMANTIC_VOCAB + 89
    input_vocab: int = SEMANTIC_VOCAB + 90
    output_vocab: int = SEMANTIC_VOCAB + 1
    text_slot: int = 192
    max_new_tokens: int = 768


@dataclass(frozen=True)
class CoarseLayout:
    """Ids and windows of the coarse model."""

    semantic_vocab: int = SEMANTIC_VOCAB
    pad: int = SEMANTIC_VOCAB + 2 * CODEBOOK_SIZE
    infer: int = SEMANTIC_VOCAB + 1 + 2 * CODEBOOK_SIZE
    vocab: int = SEMANTIC_VOCAB + 2 + 2 * CODEBOOK_SIZE
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
class CoarseSampling:
    """How the coarse model's codes are drawn."""

    temperature: float = 0.4
    top_k: int = 30


@dataclass(frozen=True)
class FineLayout:
    """Windows of the fine model; codebooks 2 to 7 are always 0."""

    window: int = 256
    history: int = 128
    pad: int = CODEBOOK_SIZE
    vocab: int = CODEBOOK_SIZE + 32


@dataclass(frozen=True)
class TransformerSize:
    layers: int
    width: int
    heads: int
    block: int


SEMANTIC_SIZE = TransformerSize(layers=6, width=192, heads=3, block=1024)
COARSE_SIZE = TransformerSize(layers=4, width=192, heads=3, block=512)
FINE_SIZE = TransformerSize(layers=1, width=64, heads=1, block=256)


@dataclass(frozen=True)
class CodecSize:
    """Size of EnCodec's decoder; codebook vectors hold the cepstrum first, then the excitation."""

    filters: int = 24
    ratios: tuple[int, ...] = (2, 4, 5, 8)
    hidden: int = 80
    cepstrum: int = 32


@dataclass(frozen=True)
class Work:
    """Paths of the data and checkpoints of one training run."""

    root: Path = field(default_factory=lambda: Path("training-run"))

    @property
    def texts(self) -> Path:
        return self.root / "texts.txt"

    @property
    def codebook(self) -> Path:
        return self.root / "codebook.pt"

    def shard(self, stage: str, index: int) -> Path:
        """Return the file of a shard; `stage` is teacher, features, codes or draws."""
        return self.root / stage / f"{index:04d}.npz"

    def shards(self, stage: str) -> list[Path]:
        return sorted((self.root / stage).glob("[0-9][0-9][0-9][0-9].npz"))

    def checkpoint(self, name: str) -> Path:
        return self.root / "checkpoints" / f"{name}.pt"


SHARD_TEXTS = 100


def shard_speaker(index: int) -> Speaker:
    """Return the speaker of shard `index`."""
    return SPEAKERS[index // SPEAKER_SHARDS]
