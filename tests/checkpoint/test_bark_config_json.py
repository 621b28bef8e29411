"""Configurations mean what they mean in transformers; contradictions are named."""

import copy
import json
from typing import Any

import pytest
from transformers import EncodecConfig, GenerationConfig
from transformers.models.bark import configuration_bark, generation_configuration_bark

from barkserve.checkpoint.bark_config import AlignmentHead, BarkConfig, SamplingDefaults
from barkserve.checkpoint.bark_config_json import parse_bark_config
from barkserve.errors import CheckpointError
from fixtures.checkpoints import PRESETS, SUNO_SHAPED, TINY, generation_config, model_config

Sections = dict[str, dict[str, Any]]

# Suno's values where transformers' own defaults contradict each other.
BARE_CONFIG: dict[str, Any] = {
    "model_type": "bark",
    "semantic_config": {"input_vocab_size": 129_600},
    "coarse_acoustics_config": {"input_vocab_size": 12_096, "output_vocab_size": 12_096},
    "fine_acoustics_config": {},
    "codec_config": {},
}
BARE_GENERATION: Sections = {
    "semantic_config": {},
    "coarse_acoustics_config": {},
    "fine_acoustics_config": {},
}


@pytest.fixture
def config() -> dict[str, Any]:
    return json.loads(model_config(TINY).to_json_string(use_diff=False))


@pytest.fixture
def generation() -> dict[str, Any]:
    return generation_config(TINY)


def _assert_same(parsed: object, theirs: object) -> None:
    """Compare every field that transformers has as well."""
    compared = 0
    for field, value in vars(parsed).items():
        if hasattr(theirs, field):
            other = getattr(theirs, field)
            assert value == (tuple(other) if isinstance(other, list) else other), field
            compared += 1
    assert compared >= 4


def _assert_as_transformers(
    parsed: BarkConfig, config: dict[str, Any], generation: Sections
) -> None:
    theirs = configuration_bark.BarkConfig(**config)
    _assert_same(parsed.semantic, theirs.semantic_config)
    _assert_same(parsed.coarse, theirs.coarse_acoustics_config)
    _assert_same(parsed.fine, theirs.fine_acoustics_config)
    _assert_same(parsed.codec, theirs.codec_config)
    assert parsed.codec.hop_length == theirs.codec_config.hop_length
    assert parsed.codec.num_quantizers == theirs.codec_config.num_quantizers
    classes = generation_configuration_bark
    for section, kind, ours in (
        ("semantic_config", classes.BarkSemanticGenerationConfig, parsed.semantic_generation),
        ("coarse_acoustics_config", classes.BarkCoarseGenerationConfig, parsed.coarse_generation),
        ("fine_acoustics_config", classes.BarkFineGenerationConfig, parsed.fine_generation),
    ):
        _assert_same(ours, kind(**generation[section]))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_parse_as_in_transformers(preset: str) -> None:
    spec = PRESETS[preset]
    config = json.loads(model_config(spec).to_json_string(use_diff=False))
    generation = generation_config(spec)
    parsed = parse_bark_config(config, generation)
    _assert_as_transformers(parsed, config, generation)
    assert parsed.codebook_size == spec.codebook_size
    assert parsed.sample_rate == spec.sample_rate
    assert parsed.default_voice == spec.default_voice


def test_absent_keys_have_the_defaults_of_transformers() -> None:
    parsed = parse_bark_config(BARE_CONFIG, BARE_GENERATION)
    expected = copy.deepcopy(BARE_CONFIG)
    expected["codec_config"] = EncodecConfig().to_dict()
    generation = copy.deepcopy(BARE_GENERATION)
    generation["fine_acoustics_config"]["temperature"] = None  # 1.0 there; both are greedy
    _assert_as_transformers(parsed, expected, generation)
    assert parsed.fine_generation.greedy
    assert (parsed.codebook_size, parsed.sample_rate, parsed.default_voice) == (1024, 24_000, None)
    assert parsed.codec.num_quantizers == 32


def test_null_equals_absent() -> None:
    generation = copy.deepcopy(BARE_GENERATION)
    generation["semantic_config"] = {"min_eos_p": None, "temperature": None, "max_new_tokens": None}
    assert parse_bark_config(BARE_CONFIG, generation) == parse_bark_config(
        BARE_CONFIG, BARE_GENERATION
    )


def test_absent_sampling_option_has_the_default_of_generate() -> None:
    theirs = GenerationConfig._get_default_generation_params()
    sampling = parse_bark_config(BARE_CONFIG, BARE_GENERATION).semantic_generation.sampling
    assert sampling == SamplingDefaults(
        temperature=theirs["temperature"],
        top_k=theirs["top_k"],
        top_p=theirs["top_p"],
        greedy=not theirs["do_sample"],
    )


def test_sampling_options_are_read_per_stage(config: dict[str, Any], generation: Sections) -> None:
    generation["semantic_config"] |= {"do_sample": True, "temperature": 0.6, "top_k": 0}
    generation["coarse_acoustics_config"] |= {"do_sample": False, "top_p": 0.9}
    parsed = parse_bark_config(config, generation)
    assert parsed.semantic_generation.sampling == SamplingDefaults(0.6, 0, 1.0, greedy=False)
    assert parsed.coarse_generation.sampling == SamplingDefaults(0.7, 50, 0.9, greedy=True)


def test_eos_token_replaces_semantic_pad_token(
    config: dict[str, Any], generation: Sections
) -> None:
    generation["semantic_config"]["semantic_pad_token"] = 3
    parsed = parse_bark_config(config, generation)
    assert parsed.semantic_generation.semantic_pad_token == TINY.eos_token


def test_sizes_of_suno() -> None:
    config = json.loads(model_config(SUNO_SHAPED).to_json_string(use_diff=False))
    parsed = parse_bark_config(config, generation_config(SUNO_SHAPED))
    semantic, coarse = parsed.semantic_generation, parsed.coarse_generation
    assert (semantic.text_encoding_offset, semantic.text_pad_token) == (10_048, 129_595)
    assert (semantic.semantic_infer_token, parsed.semantic.input_vocab_size) == (129_599, 129_600)
    assert (coarse.coarse_semantic_pad_token, coarse.coarse_infer_token) == (12_048, 12_050)
    assert (parsed.coarse.output_vocab_size, parsed.fine.output_vocab_size) == (12_096, 1056)
    assert parsed.semantic_to_coarse_ratio == pytest.approx(3.006, abs=1e-3)
    assert semantic.prompt_length == 257


def test_legacy_names_of_sizes(config: dict[str, Any], generation: Sections) -> None:
    legacy = {
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "input_vocab_size": "vocab_size",
        "block_size": "window_size",
    }
    section = config["semantic_config"]
    expected = parse_bark_config(config, generation)
    for name, old in legacy.items():
        section[old] = section.pop(name)
    assert parse_bark_config(config, generation) == expected
    theirs = configuration_bark.BarkSemanticConfig(**section)
    assert theirs.num_layers == expected.semantic.num_layers


@pytest.mark.parametrize("section", [key for key in BARE_CONFIG if key != "model_type"])
@pytest.mark.parametrize("value", [None, 3])
def test_missing_models_are_named(section: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=rf"^config\.json: {section}"):
        parse_bark_config(BARE_CONFIG | {section: value}, BARE_GENERATION)


@pytest.mark.parametrize("section", BARE_GENERATION)
@pytest.mark.parametrize("value", [None, 3])
def test_missing_generation_sections_are_named(section: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=rf"^generation_config\.json: {section}"):
        parse_bark_config(BARE_CONFIG, BARE_GENERATION | {section: value})


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("semantic_config", "block_size", "1024"),
        ("semantic_config", "num_layers", 0),
        ("semantic_config", "num_heads", True),
        ("semantic_config", "hidden_size", 33),
        ("coarse_acoustics_config", "bias", 1),
        ("fine_acoustics_config", "n_codes_given", 8),
        ("codec_config", "upsampling_ratios", []),
        ("codec_config", "upsampling_ratios", [8, 5.5]),
        ("codec_config", "upsampling_ratios", 8),
        ("codec_config", "upsampling_ratios", [8, -5]),
        ("codec_config", "pad_mode", 0),
        ("codec_config", "trim_right_ratio", float("nan")),
        ("codec_config", "trim_right_ratio", 10**400),
        ("codec_config", "upsampling_ratios", [10**400]),
    ],
)
def test_values_of_a_wrong_type_are_named(
    config: dict[str, Any], generation: Sections, section: str, key: str, value: object
) -> None:
    config[section][key] = value
    with pytest.raises(CheckpointError, match=f"config.json: {section}: {key} is"):
        parse_bark_config(config, generation)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("semantic_config", "eos_token_id", [100]),
        ("semantic_config", "temperature", 0),
        ("semantic_config", "min_eos_p", 0.0),
        ("semantic_config", "top_p", 1.5),
        ("semantic_config", "top_k", -1),
        ("semantic_config", "max_new_tokens", 10**400),
        ("semantic_config", "num_beams", 4),
        ("coarse_acoustics_config", "repetition_penalty", 1.2),
        ("coarse_acoustics_config", "coarse_rate_hz", float("inf")),
        ("coarse_acoustics_config", "do_sample", "yes"),
        ("fine_acoustics_config", "temperature", "warm"),
    ],
)
def test_generation_values_of_a_wrong_type_are_named(
    config: dict[str, Any], generation: Sections, section: str, key: str, value: object
) -> None:
    generation[section][key] = value
    with pytest.raises(CheckpointError, match=f"generation_config.json: {section}: {key} is"):
        parse_bark_config(config, generation)


def test_neutral_values_of_unsupported_options_are_accepted(
    config: dict[str, Any], generation: Sections
) -> None:
    expected = parse_bark_config(config, generation)
    generation["semantic_config"] |= {"num_beams": 1, "repetition_penalty": 1.0, "min_p": None}
    assert parse_bark_config(config, generation) == expected


@pytest.mark.parametrize(
    ("file", "section", "key", "value", "message"),
    [
        ("config", "semantic_config", "input_vocab_size", 120, "semantic input_vocab_size"),
        ("config", "semantic_config", "output_vocab_size", 100, "semantic eos_token_id"),
        ("config", "semantic_config", "block_size", 127, "semantic block_size"),
        ("config", "coarse_acoustics_config", "block_size", 117, "coarse block_size"),
        ("config", "coarse_acoustics_config", "output_vocab_size", 227, "coarse output_vocab_size"),
        ("config", "coarse_acoustics_config", "input_vocab_size", 230, "coarse input_vocab_size"),
        ("config", "fine_acoustics_config", "input_vocab_size", 64, "the padding code"),
        ("config", "fine_acoustics_config", "output_vocab_size", 63, "fine output_vocab_size"),
        ("config", "fine_acoustics_config", "block_size", 127, "fine block_size"),
        ("config", "fine_acoustics_config", "n_codes_total", 9, "n_codes_total"),
        ("config", "fine_acoustics_config", "n_codes_given", 3, "n_codes_given"),
        ("config", "codec_config", "codebook_size", 32, "codec codebook_size"),
        ("config", "codec_config", "codebook_dim", 32, "codebook_dim"),
        ("config", "codec_config", "audio_channels", 2, "audio_channels"),
        ("config", "codec_config", "sampling_rate", 48_000, "sampling_rate"),
        ("config", "codec_config", "target_bandwidths", [1.5], "n_fine_codebooks"),
        ("generation", "semantic_config", "eos_token_id", 99, "eos_token_id"),
        ("generation", "coarse_acoustics_config", "n_coarse_codebooks", 3, "n_coarse_codebooks"),
        ("generation", "coarse_acoustics_config", "sliding_window_len", 7, "odd"),
        ("generation", "coarse_acoustics_config", "max_coarse_history", 3, "max_coarse_history"),
        ("generation", "fine_acoustics_config", "max_fine_history_length", 129, "max_fine_history"),
    ],
)
def test_contradictions_are_named(
    config: dict[str, Any],
    generation: Sections,
    file: str,
    section: str,
    key: str,
    value: object,
    message: str,
) -> None:
    {"config": config, "generation": generation}[file][section][key] = value
    with pytest.raises(CheckpointError, match=f"contradicts itself: .*{message}"):
        parse_bark_config(config, generation)


@pytest.mark.parametrize(
    ("temperature", "greedy"), [(1.0, True), (1, True), (0.5, False), (1.01, False)]
)
def test_fine_temperature_of_one_is_greedy(
    config: dict[str, Any], generation: Sections, temperature: float, greedy: bool
) -> None:
    generation["fine_acoustics_config"]["temperature"] = temperature
    assert parse_bark_config(config, generation).fine_generation.greedy is greedy


def test_alignment_head_is_read(config: dict[str, Any], generation: Sections) -> None:
    assert parse_bark_config(config, generation).alignment_head is None
    named = {**generation, "alignment_head": [1, 0, -2]}
    assert parse_bark_config(config, named).alignment_head == AlignmentHead(1, 0, -2)


@pytest.mark.parametrize("value", [3, [1, 0], [1, 0, 0.5], [1, True, 0], [2, 0, 0], [0, -1, 0]])
def test_invalid_alignment_head_is_refused(
    config: dict[str, Any], generation: Sections, value: object
) -> None:
    with pytest.raises(CheckpointError, match="alignment_head"):
        parse_bark_config(config, {**generation, "alignment_head": value})
