"""Parses the contents of config.json and generation_config.json to a BarkConfig.

An absent key has the default of transformers. All other numbers come from the checkpoint.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from barkserve.checkpoint.bark_config import (
    AlignmentHead,
    BarkConfig,
    CausalConfig,
    CoarseGeneration,
    EncodecConfig,
    FineGeneration,
    FineModelConfig,
    SamplingDefaults,
    SemanticGeneration,
)
from barkserve.checkpoint.bark_config_check import check_consistent
from barkserve.errors import CheckpointError

_MAX = 2**31 - 1  # of any number; sizes and token ids are int32


def parse_bark_config(config: Mapping[str, Any], generation: Mapping[str, Any]) -> BarkConfig:
    """Parse the two configurations and check that they are consistent.

    Args:
        config: contents of config.json.
        generation: contents of generation_config.json.

    Raises:
        CheckpointError: a value is missing, has a wrong type, or contradicts another one.
    """
    if config.get("model_type") != "bark":
        raise CheckpointError(
            f"config.json: model_type is {config.get('model_type')!r}, not 'bark':"
            " this is not a Bark checkpoint"
        )
    models = _Section(config, "config.json")
    generations = _Section(generation, "generation_config.json")
    codec = _codec(models.section("codec_config"))
    parsed = BarkConfig(
        semantic=_causal(models.section("semantic_config")),
        coarse=_causal(models.section("coarse_acoustics_config")),
        fine=_fine(models.section("fine_acoustics_config")),
        codec=codec,
        semantic_generation=_semantic_generation(generations.section("semantic_config")),
        coarse_generation=_coarse_generation(generations.section("coarse_acoustics_config")),
        fine_generation=_fine_generation(generations.section("fine_acoustics_config")),
        codebook_size=generations.integer("codebook_size", 1024, least=2),
        sample_rate=generations.integer("sample_rate", codec.sampling_rate, least=1),
        default_voice=generations.optional_word("default_voice"),
        alignment_head=_alignment_head(generations),
    )
    check_consistent(parsed)
    return parsed


class _Section:
    """One JSON object, read by key. Null counts as absent; errors name the key."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values = values
        self.where = where

    def section(self, key: str) -> "_Section":
        value = self.values.get(key)
        if value is None:
            raise CheckpointError(
                f"{self.where}: {key} is missing: the Bark checkpoint is incomplete"
            )
        if not isinstance(value, Mapping):
            raise self.error(key, "an object")
        return _Section(value, f"{self.where}: {key}")

    def integer(self, key: str, default: int, *, least: int = 0, alias: str = "") -> int:
        value = self._value(key, alias, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MAX:
            raise self.error(key, f"an integer from {least} to {_MAX}")
        return value

    def number(self, key: str, default: float) -> float:
        """Read a number above 0."""
        value = self._value(key, "", default)
        if not _is_positive(value):
            raise self.error(key, f"a number above 0, at most {_MAX}")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        return None if self.values.get(key) is None else self.number(key, 0.0)

    def flag(self, key: str, default: bool) -> bool:
        value = self._value(key, "", default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def word(self, key: str, default: str) -> str:
        value = self._value(key, "", default)
        if not isinstance(value, str):
            raise self.error(key, "a string")
        return value

    def optional_word(self, key: str) -> str | None:
        return None if self.values.get(key) is None else self.word(key, "")

    def numbers(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """Read a non-empty list of numbers above 0."""
        value = self._value(key, "", default)
        if (
            not isinstance(value, list | tuple)
            or not value
            or not all(_is_positive(n) for n in value)
        ):
            raise self.error(key, "a list of numbers above 0")
        return tuple(value)

    def integers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Read a non-empty list of integers above 0."""
        value = self.numbers(key, default)
        if not all(isinstance(n, int) for n in value):
            raise self.error(key, "a list of integers above 0")
        return tuple(int(n) for n in value)

    def error(self, key: str, wanted: str) -> CheckpointError:
        return CheckpointError(
            f"{self.where}: {key} is {self.values.get(key)!r}, it must be {wanted}"
        )

    def _value(self, key: str, alias: str, default: object) -> object:
        for name in (key, alias):
            if self.values.get(name) is not None:
                return self.values[name]
        return default


def _is_positive(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MAX


def _causal(section: _Section) -> CausalConfig:
    config = CausalConfig(
        block_size=section.integer("block_size", 1024, least=1, alias="window_size"),
        input_vocab_size=section.integer("input_vocab_size", 10_048, least=1, alias="vocab_size"),
        output_vocab_size=section.integer("output_vocab_size", 10_048, least=1),
        num_layers=section.integer("num_layers", 12, least=1, alias="num_hidden_layers"),
        num_heads=section.integer("num_heads", 12, least=1, alias="num_attention_heads"),
        hidden_size=section.integer("hidden_size", 768, least=1),
        bias=section.flag("bias", True),
    )
    if config.hidden_size % config.num_heads:
        raise section.error("hidden_size", f"a multiple of num_heads ({config.num_heads})")
    return config


def _fine(section: _Section) -> FineModelConfig:
    total = section.integer("n_codes_total", 8, least=2)
    given = section.integer("n_codes_given", 1, least=1)
    if given >= total:
        raise section.error("n_codes_given", f"less than n_codes_total ({total})")
    return FineModelConfig(**vars(_causal(section)), n_codes_total=total, n_codes_given=given)


def _codec(section: _Section) -> EncodecConfig:
    hidden_size = section.integer("hidden_size", 128, least=1)
    return EncodecConfig(
        codebook_size=section.integer("codebook_size", 1024, least=2),
        codebook_dim=section.integer("codebook_dim", hidden_size, least=1),
        hidden_size=hidden_size,
        num_filters=section.integer("num_filters", 32, least=1),
        num_residual_layers=section.integer("num_residual_layers", 1),
        upsampling_ratios=section.integers("upsampling_ratios", (8, 5, 4, 2)),
        kernel_size=section.integer("kernel_size", 7, least=1),
        last_kernel_size=section.integer("last_kernel_size", 7, least=1),
        residual_kernel_size=section.integer("residual_kernel_size", 3, least=1),
        dilation_growth_rate=section.integer("dilation_growth_rate", 2, least=1),
        compress=section.integer("compress", 2, least=1),
        num_lstm_layers=section.integer("num_lstm_layers", 2, least=1),
        use_causal_conv=section.flag("use_causal_conv", True),
        use_conv_shortcut=section.flag("use_conv_shortcut", True),
        pad_mode=section.word("pad_mode", "reflect"),
        norm_type=section.word("norm_type", "weight_norm"),
        trim_right_ratio=section.number("trim_right_ratio", 1.0),
        sampling_rate=section.integer("sampling_rate", 24_000, least=1),
        audio_channels=section.integer("audio_channels", 1, least=1),
        target_bandwidths=section.numbers("target_bandwidths", (1.5, 3.0, 6.0, 12.0, 24.0)),
    )


def _semantic_generation(section: _Section) -> SemanticGeneration:
    _refuse_unsupported(section)
    return SemanticGeneration(
        text_encoding_offset=section.integer("text_encoding_offset", 10_048),
        text_pad_token=section.integer("text_pad_token", 129_595),
        semantic_pad_token=section.integer("eos_token_id", 10_000),  # as in the reference
        semantic_infer_token=section.integer("semantic_infer_token", 129_599),
        semantic_vocab_size=section.integer("semantic_vocab_size", 10_000, least=1),
        max_input_semantic_length=section.integer("max_input_semantic_length", 256, least=1),
        semantic_rate_hz=section.number("semantic_rate_hz", 49.9),
        max_new_tokens=section.integer("max_new_tokens", 768, least=1),
        min_eos_p=section.optional_number("min_eos_p"),
        sampling=_sampling(section),
    )


def _coarse_generation(section: _Section) -> CoarseGeneration:
    _refuse_unsupported(section)
    return CoarseGeneration(
        coarse_semantic_pad_token=section.integer("coarse_semantic_pad_token", 12_048),
        coarse_infer_token=section.integer("coarse_infer_token", 12_050),
        coarse_rate_hz=section.number("coarse_rate_hz", 75),
        n_coarse_codebooks=section.integer("n_coarse_codebooks", 2, least=1),
        max_coarse_input_length=section.integer("max_coarse_input_length", 256, least=1),
        max_coarse_history=section.integer("max_coarse_history", 630, least=1),
        sliding_window_len=section.integer("sliding_window_len", 60, least=1),
        sampling=_sampling(section),
    )


def _fine_generation(section: _Section) -> FineGeneration:
    # Absent is 1.0 in transformers and null is None; both are greedy.
    return FineGeneration(
        max_fine_history_length=section.integer("max_fine_history_length", 512, least=1),
        max_fine_input_length=section.integer("max_fine_input_length", 1024, least=1),
        n_fine_codebooks=section.integer("n_fine_codebooks", 8, least=1),
        temperature=section.optional_number("temperature"),
    )


def _alignment_head(section: _Section) -> AlignmentHead | None:
    """Read layer, head and lag; absent in Suno's checkpoints."""
    value = section.values.get("alignment_head")
    if value is None:
        return None
    if (
        not isinstance(value, list | tuple)
        or len(value) != 3
        or not all(isinstance(n, int) and not isinstance(n, bool) for n in value)
    ):
        raise section.error("alignment_head", "three integers: layer, head and lag")
    return AlignmentHead(*value)


def _sampling(section: _Section) -> SamplingDefaults:
    top_p = section.number("top_p", SamplingDefaults.top_p)
    if top_p > 1:
        raise section.error("top_p", "a number above 0, at most 1")
    return SamplingDefaults(
        temperature=section.number("temperature", SamplingDefaults.temperature),
        top_k=section.integer("top_k", SamplingDefaults.top_k),
        top_p=top_p,
        greedy=not section.flag("do_sample", not SamplingDefaults.greedy),
    )


# Options of transformers that change tokens and are not supported here, with neutral values.
_UNSUPPORTED = {
    "num_beams": 1,
    "repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "min_new_tokens": 0,
    "min_p": 0,
    "typical_p": 1,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
}


def _refuse_unsupported(section: _Section) -> None:
    for key, neutral in _UNSUPPORTED.items():
        if section.values.get(key) not in (None, neutral):
            raise section.error(key, f"{neutral} or absent: barkserve does not support it")
