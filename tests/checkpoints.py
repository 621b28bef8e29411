"""Bark checkpoints for tests: small, seeded, random, in the Hugging Face layout.

The weights are drawn large enough that greedy tokens vary, and the semantic network ends where the
spec says.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import (
    BarkConfig,
    BarkModel,
    BertTokenizer,
    EncodecConfig,
    GenerationConfig,
)

from tests.random_weights import WeightsFormat, enliven, enliven_codec, save_weights

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_SIGNS = list(".,?!'-[]♪:;…—0123456789éßñжя你好")
_WORDS = ["the", "hello", "world", "Hello", "speak", "##ing", "##s", "laugh", "brown", "fox"]


def vocabulary() -> list[str]:
    """The WordPiece vocabulary of every test checkpoint: letters, alone and inside words."""
    letters = list(_LETTERS + _LETTERS.upper())
    inside = [f"##{sign}" for sign in (*letters, *"0123456789éßñжя")]
    return [*_SPECIAL, *_SIGNS, *letters, *inside, *_WORDS]


@dataclass(frozen=True)
class CheckpointSpec:
    """Everything in which test checkpoints differ; token ids are laid out by Suno's rules."""

    # The three transformers.
    layers: int = 2
    heads: int = 2
    hidden: int = 32
    bias: bool = True
    block_size: int = 128
    # Vocabularies. Semantic tokens 0..V-1, pad and end V, text above; coarse codes from V on.
    semantic_vocab_size: int = 100
    codebook_size: int = 64  # EnCodec in transformers wants a power of two
    vocab_gap: int = 12  # unused ids above the semantic tokens, and above the codes
    text_vocab_size: int | None = None  # room for text ids; None: as many as the tokenizer has
    n_fine_codebooks: int = 8
    # Windows.
    max_input_semantic_length: int = 32
    max_new_tokens: int = 96
    max_coarse_input_length: int = 32
    max_coarse_history: int = 78
    sliding_window_len: int = 8
    max_fine_history_length: int = 64
    max_fine_input_length: int = 128
    # Rates.
    semantic_rate_hz: float = 49.9
    coarse_rate_hz: int = 75
    sample_rate: int = 24_000
    # EnCodec.
    num_filters: int = 4
    codec_hidden: int = 16
    upsampling_ratios: tuple[int, ...] = (8, 5, 4, 2)
    num_lstm_layers: int = 2
    num_residual_layers: int = 1
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    compress: int = 2
    use_conv_shortcut: bool = True
    pad_mode: str = "reflect"
    n_quantizers: int = 12  # in the codec; at least n_fine_codebooks
    # The semantic network ends after about this many tokens. None: never (when greedy).
    eos_after: int | None = 40
    eos_spread: int = (
        20  # tokens by which text, voice and draws may bring the end forward; 0: by none
    )
    # How tokens are drawn by default.
    do_sample: bool = True
    temperature: float = 0.7
    top_k: int = 50
    top_p: float = 1.0
    fine_temperature: float = 0.5
    min_eos_p: float | None = None
    default_voice: str | None = "v2/test_speaker_0"

    @property
    def eos_token(self) -> int:
        """End of sequence, padding of the history."""
        return self.semantic_vocab_size

    @property
    def text_encoding_offset(self) -> int:
        """Id of the tokenizer's token 0."""
        return self.semantic_vocab_size + self.vocab_gap

    @property
    def text_pad_token(self) -> int:
        """The first id above the text's."""
        return self.text_encoding_offset + (self.text_vocab_size or len(vocabulary()))

    @property
    def semantic_infer_token(self) -> int:
        """As in Suno's checkpoints, four above the padding and the last id."""
        return self.text_pad_token + 4

    @property
    def coarse_semantic_pad_token(self) -> int:
        """The first id above the codes."""
        return self.semantic_vocab_size + 2 * self.codebook_size

    @property
    def coarse_infer_token(self) -> int:
        """As in Suno's checkpoints, two above the padding."""
        return self.coarse_semantic_pad_token + 2

    @property
    def coarse_vocab_size(self) -> int:
        """Codes, padding, infer token, and ids that mean nothing."""
        return self.coarse_semantic_pad_token + self.vocab_gap

    @property
    def fine_vocab_size(self) -> int:
        """Codes, the padding code, and ids that mean nothing."""
        return self.codebook_size + max(2, self.codebook_size // 32)


TINY = CheckpointSpec()
"""Small and quick; every window about an eighth of Suno's, all arithmetic as theirs."""

ODD = CheckpointSpec(
    layers=1,
    heads=3,
    hidden=48,
    bias=False,
    block_size=99,
    semantic_vocab_size=77,
    codebook_size=32,
    vocab_gap=5,
    n_fine_codebooks=4,
    max_input_semantic_length=23,
    max_new_tokens=61,
    max_coarse_input_length=19,
    max_coarse_history=41,
    sliding_window_len=14,
    max_fine_history_length=17,
    max_fine_input_length=45,
    semantic_rate_hz=40.0,
    coarse_rate_hz=50,
    sample_rate=8_000,
    num_filters=3,
    codec_hidden=10,
    upsampling_ratios=(4, 5, 8),
    num_lstm_layers=1,
    num_residual_layers=2,
    kernel_size=5,
    last_kernel_size=3,
    dilation_growth_rate=3,
    compress=1,
    use_conv_shortcut=False,
    n_quantizers=4,
    eos_after=50,
    do_sample=False,
    fine_temperature=1.0,
)
"""Nothing is even or as in Suno's: heads, windows, rates, codebooks, codec; greedy by default."""

SUNO_SHAPED = CheckpointSpec(
    bias=False,
    block_size=1024,
    semantic_vocab_size=10_000,
    codebook_size=1024,
    vocab_gap=48,
    text_vocab_size=119_547,
    max_input_semantic_length=256,
    max_new_tokens=768,
    max_coarse_input_length=256,
    max_coarse_history=630,
    sliding_window_len=60,
    max_fine_history_length=512,
    max_fine_input_length=1024,
    eos_after=120,
)
"""Suno's vocabularies, windows and rates over few, narrow layers: Suno's own voices fit it."""

PRESETS = {"tiny": TINY, "odd": ODD, "suno_shaped": SUNO_SHAPED}


def build_checkpoint(
    folder: Path,
    spec: CheckpointSpec = TINY,
    seed: int = 0,
    *,
    weights_format: WeightsFormat = "safetensors",
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Writes a whole checkpoint (JSON, weights, tokenizer, two voices), and returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(spec, seed).to(dtype)
    model.generation_config = GenerationConfig(**generation_config(spec))
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    save_weights(model, folder, weights_format)
    _save_tokenizer(folder)
    _save_voices(folder, spec, seed)
    return folder


def reference(folder: Path) -> BarkModel:
    """What our output is compared with: transformers' model, float32, eager attention."""
    model = BarkModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def random_model(spec: CheckpointSpec, seed: int) -> BarkModel:
    """A BarkModel with lively random weights that ends as the spec says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BarkModel(model_config(spec)).eval()
        model.requires_grad_(False)
        for network in (model.semantic, model.coarse_acoustics, model.fine_acoustics):
            enliven(network)
        enliven_codec(model.codec_model)
        _place_end(model.semantic, spec)
    return model


def model_config(spec: CheckpointSpec) -> BarkConfig:
    """config.json."""
    shape = {
        "num_layers": spec.layers,
        "num_heads": spec.heads,
        "hidden_size": spec.hidden,
        "bias": spec.bias,
        "block_size": spec.block_size,
    }
    text = {
        "input_vocab_size": spec.semantic_infer_token + 1,
        "output_vocab_size": spec.semantic_vocab_size + spec.vocab_gap,
    }
    coarse = {
        "input_vocab_size": spec.coarse_vocab_size,
        "output_vocab_size": spec.coarse_vocab_size,
    }
    fine = {
        "input_vocab_size": spec.fine_vocab_size,
        "output_vocab_size": spec.fine_vocab_size,
        "n_codes_total": spec.n_fine_codebooks,
        "n_codes_given": 1,
    }
    return BarkConfig(
        semantic_config=shape | text,
        coarse_acoustics_config=shape | coarse,
        fine_acoustics_config=shape | fine,
        codec_config=_codec_config(spec).to_dict(),
    )


def generation_config(spec: CheckpointSpec) -> dict[str, Any]:
    """generation_config.json: plain dictionaries without nulls, as transformers 5 wants them."""
    sampling = {
        "do_sample": spec.do_sample,
        **(
            {"temperature": spec.temperature, "top_k": spec.top_k, "top_p": spec.top_p}
            if spec.do_sample
            else {}
        ),
    }
    semantic = {
        "eos_token_id": spec.eos_token,
        "semantic_pad_token": spec.eos_token,
        "text_encoding_offset": spec.text_encoding_offset,
        "text_pad_token": spec.text_pad_token,
        "semantic_infer_token": spec.semantic_infer_token,
        "semantic_vocab_size": spec.semantic_vocab_size,
        "max_input_semantic_length": spec.max_input_semantic_length,
        "semantic_rate_hz": spec.semantic_rate_hz,
        "max_new_tokens": spec.max_new_tokens,
        **({} if spec.min_eos_p is None else {"min_eos_p": spec.min_eos_p}),
    }
    coarse = {
        "coarse_semantic_pad_token": spec.coarse_semantic_pad_token,
        "coarse_infer_token": spec.coarse_infer_token,
        "coarse_rate_hz": spec.coarse_rate_hz,
        "n_coarse_codebooks": 2,
        "max_coarse_input_length": spec.max_coarse_input_length,
        "max_coarse_history": spec.max_coarse_history,
        "sliding_window_len": spec.sliding_window_len,
    }
    fine = {
        "temperature": spec.fine_temperature,
        "max_fine_history_length": spec.max_fine_history_length,
        "max_fine_input_length": spec.max_fine_input_length,
        "n_fine_codebooks": spec.n_fine_codebooks,
    }
    return {
        "semantic_config": semantic | sampling,
        "coarse_acoustics_config": coarse | sampling,
        "fine_acoustics_config": fine,
        "sample_rate": spec.sample_rate,
        "codebook_size": spec.codebook_size,
        **({} if spec.default_voice is None else {"default_voice": spec.default_voice}),
    }


def random_voice(spec: CheckpointSpec, semantic_length: int, seed: int) -> dict[str, np.ndarray]:
    """A voice's three arrays: (n,), (2, m) and (codebooks, m) int64, m / n as the rates say."""
    draw = np.random.default_rng(seed)
    frames = int(semantic_length * spec.coarse_rate_hz / spec.semantic_rate_hz)
    codes = draw.integers(0, spec.codebook_size, (spec.n_fine_codebooks, frames))
    return {
        "semantic_prompt": draw.integers(0, spec.semantic_vocab_size, semantic_length),
        "coarse_prompt": codes[:2].copy(),
        "fine_prompt": codes,
    }


def as_history_prompt(voice: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The voice as BarkModel.generate takes it."""
    return {key: torch.from_numpy(array.astype(np.int64)) for key, array in voice.items()}


def _codec_config(spec: CheckpointSpec) -> EncodecConfig:
    hop = int(np.prod(spec.upsampling_ratios))
    bits = int(np.ceil(np.log2(spec.codebook_size)))
    # transformers derives the number of codebooks from the last bandwidth, rounding down.
    bandwidth = (spec.n_quantizers + 0.5) * int(np.ceil(spec.sample_rate / hop)) * bits / 1000
    return EncodecConfig(
        target_bandwidths=[bandwidth / 2, bandwidth],
        sampling_rate=spec.sample_rate,
        hidden_size=spec.codec_hidden,
        num_filters=spec.num_filters,
        num_residual_layers=spec.num_residual_layers,
        upsampling_ratios=list(spec.upsampling_ratios),
        kernel_size=spec.kernel_size,
        last_kernel_size=spec.last_kernel_size,
        residual_kernel_size=spec.residual_kernel_size,
        dilation_growth_rate=spec.dilation_growth_rate,
        compress=spec.compress,
        num_lstm_layers=spec.num_lstm_layers,
        codebook_size=spec.codebook_size,
        use_conv_shortcut=spec.use_conv_shortcut,
        pad_mode=spec.pad_mode,
    )


def _place_end(semantic: nn.Module, spec: CheckpointSpec) -> None:
    """Makes the end-of-sequence token win from about eos_after tokens on, and lose before.

    A direction that no other token's row reads is written into the positions, -4 to +40 times, and
    read by this token's row. A row of zeros means a logit of 0, which some other token beats.
    """
    head = semantic.lm_head.weight  # (tokens, hidden)
    head[spec.eos_token] = 0
    if spec.eos_after is None:
        return
    direction = torch.randn(spec.hidden)
    direction -= direction.mean()  # what a LayerNorm would take away
    direction /= direction.norm()
    head -= (head @ direction)[:, None] * direction  # no other token reads it
    first = spec.max_input_semantic_length + spec.eos_after  # the position that draws the end
    slope = 16 / max(spec.eos_spread, 0.1)
    strength = 12 + slope * (torch.arange(spec.block_size) - first)  # (positions,)
    semantic.position_embeds_layer.weight += strength.clamp(-4, 40)[:, None] * direction
    head[spec.eos_token] = 4 * direction


def _save_tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)


def _save_voices(folder: Path, spec: CheckpointSpec, seed: int) -> None:
    """Two voices: one shorter than every window, one longer than all."""
    short = spec.max_input_semantic_length // 3
    longest = max(
        spec.max_input_semantic_length, spec.max_coarse_history, spec.max_fine_history_length
    )
    paths: dict[str, Any] = {"repo_or_path": "test/bark"}
    for number, length in enumerate((short, longest + 11)):
        voice = random_voice(spec, length, seed + number)
        name = f"v2/test_speaker_{number}"
        paths[name] = {key: f"speaker_embeddings/{name}_{key}.npy" for key in voice}
        for key, array in voice.items():
            file = folder / paths[name][key]
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, array)
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(paths, indent=2))


def never_ending(spec: CheckpointSpec) -> CheckpointSpec:
    """The same checkpoint whose semantic network runs to max_new_tokens when greedy."""
    return replace(spec, eos_after=None)
