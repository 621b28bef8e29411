"""The checkpoints of fixtures/checkpoints.py: transformers loads them, and their output varies."""

from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, BarkModel
from transformers.models.bark.generation_configuration_bark import BarkSemanticGenerationConfig

from fixtures.checkpoints import (
    ODD,
    PRESETS,
    TINY,
    as_history_prompt,
    build_checkpoint,
    never_ending,
    random_voice,
    reference,
)

TEXTS = ("Hello, the quick brown fox", "a", "[laughs] no, no")


def _semantic(folder: Path, model: BarkModel, text: str) -> list[int]:
    """Greedy semantic tokens, including the end token."""
    config = BarkSemanticGenerationConfig(**model.generation_config.semantic_config)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(text, max_length=config.max_input_semantic_length)
    return model.semantic.generate(
        inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        semantic_generation_config=config,
        do_sample=False,
    )[0].tolist()


@pytest.mark.parametrize("preset", PRESETS)
def test_transformers_loads_and_speaks_every_preset(preset: str, tmp_path: Path) -> None:
    spec = PRESETS[preset]
    folder = build_checkpoint(tmp_path, spec)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(
        "Hello world", voice_preset="v2/test_speaker_1", max_length=spec.max_input_semantic_length
    )
    audio = BarkModel.from_pretrained(folder).generate(**inputs)
    hop = torch.tensor(spec.upsampling_ratios).prod().item()
    assert audio.shape[-1] >= hop
    assert audio.shape[-1] % hop == 0
    assert audio.std() > 0.001


@pytest.mark.parametrize("preset", PRESETS)
def test_greedy_semantic_tokens_vary_and_end(preset: str, tmp_path: Path) -> None:
    spec = PRESETS[preset]
    model = reference(build_checkpoint(tmp_path, spec))
    spoken = [_semantic(tmp_path, model, text) for text in TEXTS]
    for tokens in spoken:
        assert tokens[-1] == spec.eos_token
        assert spec.eos_after // 4 < len(tokens) <= spec.eos_after + 2
        assert len(set(tokens)) > 6
    assert len({tuple(tokens) for tokens in spoken}) == len(TEXTS)


@pytest.mark.parametrize("spec", [TINY, ODD])
def test_never_ending_checkpoint_runs_to_its_limit(spec, tmp_path: Path) -> None:
    model = reference(build_checkpoint(tmp_path, never_ending(spec)))
    tokens = _semantic(tmp_path, model, "Hello")
    assert len(tokens) == spec.max_new_tokens
    assert spec.eos_token not in tokens


def test_checkpoint_weights_depend_on_the_seed(tmp_path: Path) -> None:
    weights = [
        (build_checkpoint(tmp_path / str(number), TINY, seed) / "model.safetensors").read_bytes()
        for number, seed in enumerate((1, 1, 2))
    ]
    assert weights[0] == weights[1] != weights[2]


def test_building_keeps_the_global_generator_state(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    build_checkpoint(tmp_path, TINY)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("weights_format", ["safetensors_sharded", "bin", "bin_sharded"])
def test_transformers_loads_every_weights_format(weights_format, tmp_path: Path) -> None:
    folder = build_checkpoint(tmp_path / "new", TINY, weights_format=weights_format)
    single = build_checkpoint(tmp_path / "single", TINY)
    assert not (folder / "model.safetensors").exists()
    loaded, expected = reference(folder).state_dict(), reference(single).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_random_voices_keep_suno_proportions() -> None:
    voice = random_voice(TINY, 309, seed=0)
    assert voice["semantic_prompt"].shape == (309,)
    assert voice["coarse_prompt"].shape == (2, 464)
    assert voice["fine_prompt"].shape == (8, 464)
    prompt = as_history_prompt(voice)
    assert {tensor.dtype for tensor in prompt.values()} == {torch.int64}
